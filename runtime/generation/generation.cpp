#include "runtime/generation/generation.hpp"

#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>
#include <span>

#include "runtime/base/hex.hpp"
#include "runtime/scheduling/admission.hpp"

namespace troupe::runtime {
namespace {

LogprobToken named(const model::Tokenizer& tokenizer, TokenId token, float logprob) {
  return {token, std::string(tokenizer.token_bytes(token)), logprob, tokenizer.is_special(token)};
}

// The prompt as the client sent it, or what was taken of it.
std::string echo_of(const GenerationRequest& request, const model::Tokenizer& tokenizer,
                    const Submission& submission, std::int32_t choice) {
  const Prompt& prompt = request.prompts[std::size_t(choice / request.n)];
  if (const auto* text = std::get_if<std::string>(&prompt); text && !request.truncate_prompt_tokens)
    return *text;
  const std::span tokens = submission.tokens;
  return tokenizer.decode(tokens.first(std::size_t(submission.prompt_tokens)), request.skip_special_tokens);
}

// Short, since other services refuse a history with ids of more than 40 characters. Of the request's id and, since a
// client may choose that and choose it twice, of the request's nonce or first sequence: so it is unique among all that a
// client may put into one conversation, and the same after a replay.
std::string call_id(const std::string& request, std::uint64_t nonce, std::int32_t choice,
                    std::int32_t index) {
  const std::string name =
      request + "_" + std::to_string(nonce) + "_" + std::to_string(choice) + "_" + std::to_string(index);
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
  SHA256(reinterpret_cast<const unsigned char*>(name.data()), name.size(), digest.data());
  return "call_" + hex(std::as_bytes(std::span(digest).first<12>()));
}

}  // namespace

Generation::Generation(GenerationRequest request, std::vector<NewChoice> choices,
                       const model::TextModel& text, GenerationOutlet& outlet, TimePoint arrival)
    : request_(std::move(request)), text_(text), outlet_(outlet), arrival_(arrival) {
  CHECK(!choices.empty(), "a request has a choice");
  first_ = choices.front().submission.sequence;
  if (request_.unpaced)
    credit_ = std::numeric_limits<std::int64_t>::max() / 2;  // what is granted comes on top
  unfinished_ = unaccepted_ = choices.size();
  choices_.reserve(choices.size());
  for (NewChoice& each : choices) {
    const std::size_t index = choices_.size();
    CHECK(each.submission.sequence == first_ + index, "sequences of a request follow each other");
    // A prompt counts once, however many choices it has.
    if (index % std::size_t(request_.n) == 0) usage_.prompt_tokens += each.submission.prompt_tokens;
    choices_.push_back({.submission = std::move(each.submission),
                        .output = {text.tokenizer, std::move(each.output)},
                        .pending = {},
                        .withheld = {},
                        .replays = {},
                        .last_token = {}});
    choices_.back().pending.choice = std::int32_t(index);
    choices_.back().submission.arrived = arrival;
  }
  // The first speaks for all: the others may wait for long, once it has a token.
  if (const auto time = request_.times.to_begin(); time.count() > 0)
    choices_.front().submission.start_by = arrival + time;
}

Generation::Choice* Generation::running(SequenceId sequence) {
  if (over_ || sequence < first_ || sequence - first_ >= choices_.size()) return nullptr;
  Choice& choice = choices_[sequence - first_];
  ++visits_;
  return choice.finished ? nullptr : &choice;
}

void Generation::submit(Choice& choice, bool again) {
  choice.submission.resubmitted = again;
  if (choice.last_token) choice.submission.sampling.prompt_logprobs = -1;  // they were told
  outlet_.submit(choice.submission);
  if (choice.paused) outlet_.pause(choice.submission.sequence);
}

void Generation::meet_scheduler() {
  if (over_) return;
  for (Choice& choice : choices_)
    if (!choice.finished) submit(choice, submitted_);
  submitted_ = true;
}

void Generation::replay(SequenceId sequence) {
  if (Choice* choice = running(sequence)) submit(*choice, true);
}

void Generation::queued(SequenceId sequence) {
  Choice* choice = running(sequence);
  if (!choice || std::exchange(choice->accepted, true)) return;
  if (--unaccepted_ == 0) outlet_.accepted(usage_);
}

void Generation::refused(SequenceId sequence, const Refusal& why) {
  Choice* choice = running(sequence);
  if (!choice) return;
  if (why.code != deadline_code || !has_output()) return fail(why);
  choice->submission.start_by = {};  // another choice has begun the answer in time
  submit(*choice, true);
}

Refusal Generation::without_a_token(TokenId why, const LogitRules& rules) {
  if (why == no_mask)
    return {
        RefusalKind::invalid,
        "The grammar takes too long to say which tokens may come next in this answer; make it less ambiguous: "
        "fewer repetitions within repetitions.",
        "", "grammar_too_costly"};
  if (rules.none())
    return {RefusalKind::internal, "The model's output for this request is not a number.", "",
            "not_a_number"};
  return {RefusalKind::invalid,
          "No token may come next: what the request asks for (a grammar, allowed_token_ids, bad_words, "
          "logit_bias, min_tokens) contradicts itself, or the model's output is not a number.",
          "", "no_token_allowed"};
}

void Generation::take(const CommittedToken& committed, TimePoint now) {
  Choice* choice = running(committed.sequence);
  if (!choice) return;  // computed past a stop: dropped, not counted
  if (committed.finish == FinishReason::error)
    return fail(without_a_token(committed.sampled.token, choice->submission.rules));
  auto& tokens = choice->submission.tokens;
  CHECK(committed.output_position == tokens.size() - std::size_t(choice->submission.prompt_tokens),
        "tokens of a sequence come in order, each once");
  if (!choice->last_token) begin_text(*choice, committed);
  if (request_.max_tokens == 0) {  // the prompt alone was to be looked at
    if (committed.finish == FinishReason::none) outlet_.cancel(committed.sequence);
    finish(*choice, FinishReason::length);
  } else {
    count(*choice, committed.seated, now);
    tokens.push_back(committed.sampled.token);
    choice->withheld.token_ids.push_back(committed.sampled.token);
    append(*choice, committed);
  }
  offer(*choice);
  end_if_done();
}

void Generation::begin_text(Choice& choice, const CommittedToken& first) {
  Delta& delta = choice.pending;
  choice.seated = std::max(first.seated, arrival_);
  choice.seated_again = first.seated;
  if (delta.choice % request_.n == 0) usage_.cached_tokens += first.cached_tokens;
  const std::span prompt =
      std::span(choice.submission.tokens).first(std::size_t(choice.submission.prompt_tokens));
  if (request_.return_prompt_ids) delta.prompt_token_ids.assign(prompt.begin(), prompt.end());
  if (request_.echo) delta.content = echo_of(request_, text_.tokenizer, choice.submission, delta.choice);
  if (request_.echo && request_.echo_logprobs && request_.logprobs >= 0)
    delta.logprobs = prompt_entries(choice, first, request_.logprobs);
  if (request_.prompt_logprobs >= 0 && choice.submission.sampling.prompt_logprobs >= 0)
    delta.prompt_logprobs = prompt_entries(choice, first, request_.prompt_logprobs);
}

LogprobEntry Generation::entry_of(const SampledToken& sampled) const {
  LogprobEntry entry{named(text_.tokenizer, sampled.token, sampled.logprob), {}};
  entry.rank = sampled.rank;
  for (const auto& [token, logprob] : sampled.top)
    entry.top.push_back(named(text_.tokenizer, token, logprob));
  return entry;
}

// With so many alternatives: those that were computed serve the echo and the prompt's own.
std::vector<LogprobEntry> Generation::prompt_entries(const Choice& choice, const CommittedToken& first,
                                                     std::int32_t alternatives) const {
  std::vector<LogprobEntry> entries;
  entries.push_back({named(text_.tokenizer, choice.submission.tokens.front(), 0), {}});
  entries.back().first_of_prompt = true;
  for (const SampledToken& each : first.prompt_logprobs) {
    LogprobEntry& entry = entries.emplace_back(entry_of(each));
    entry.top.resize(std::min(entry.top.size(), std::size_t(alternatives)));
  }
  return entries;
}

void Generation::count(Choice& choice, TimePoint seated, TimePoint now) {
  ++usage_.completion_tokens;
  if (choice.last_token) {
    if (std::exchange(choice.seated_again, seated) != seated &&
        choice.replays.size() < ChoiceTimes::most_replays)
      choice.replays.push_back({*choice.last_token, now});
    outlet_.next_token(now - *choice.last_token);
  } else {
    outlet_.first_token(now - arrival_);
    choice.first_token = now;
  }
  choice.last_token = now;
}

void Generation::append(Choice& choice, const CommittedToken& committed) {
  // A token that ends the sequence is not text, unless the client asked to go on past it or to see it.
  const TokenId token = committed.sampled.token;
  const bool ends = committed.finish == FinishReason::stop;
  const bool answered = choice.output.answers(), thought = choice.output.thinks();
  const bool stopped = (!ends || request_.include_stop_str_in_output) && choice.output.push(token);
  usage_.reasoning_tokens += choice.output.thinks();
  if (request_.logprobs >= 0) {
    LogprobEntry& entry = choice.withheld.logprobs.emplace_back(entry_of(committed.sampled));
    entry.of_answer = answered && choice.output.answers();
    entry.of_thoughts = thought || choice.output.thinks();
  }
  if (ends && !stopped && is_stop_of_client(token)) choice.pending.stop_token = token;
  if (stopped || committed.finish != FinishReason::none) {
    if (!stopped) choice.output.finish(committed.finish == FinishReason::length);
    if (committed.finish == FinishReason::none) outlet_.cancel(committed.sequence);
    finish(choice, stopped ? FinishReason::stop : committed.finish);
  }
  append_text(choice);
}

// The model's own end is nothing that the client has to be told of.
bool Generation::is_stop_of_client(TokenId token) const {
  const bool own = !request_.ignore_eos && std::ranges::binary_search(text_.eos_ids, token);
  return !own && std::ranges::find(request_.stop_token_ids, token) != request_.stop_token_ids.end();
}

void Generation::finish(Choice& choice, FinishReason why) {
  choice.finished = true;
  --unfinished_;
  Delta& last = choice.pending;
  last.finish = end_of(choice, why);
  last.in_call = choice.output.in_call();
  if (last.finish == ChoiceEnd::content_filter)
    last.stop_token.reset();  // it ended before
  else
    last.stop_reason = choice.output.matched_stop();
  if (choice.output.repeats()) outlet_.repetition_ended();
  outlet_.choice_ended(last.finish);
  if (!choice.last_token) return;
  choice.pending.served = times_of(choice);
  outlet_.choice_served(*choice.pending.served);
}

ChoiceEnd Generation::end_of(const Choice& choice, FinishReason why) const {
  if (choice.output.filtered()) return ChoiceEnd::content_filter;
  if (why == FinishReason::length) return ChoiceEnd::length;
  return choice.output.called_tools() ? ChoiceEnd::tool_calls : ChoiceEnd::stop;
}

// Its last token's text is not yet appended, but the token is.
ChoiceTimes Generation::times_of(const Choice& choice) const {
  const Submission& submission = choice.submission;
  return {.choice = choice.pending.choice,
          .arrived = arrival_,
          .queue = choice.seated - arrival_,
          .prefill = choice.first_token - choice.seated,
          .decode = *choice.last_token - choice.first_token,
          .prompt_tokens = submission.prompt_tokens,
          .output_tokens = std::int64_t(submission.tokens.size()) - submission.prompt_tokens,
          .slo = request_.slo,
          .replays = choice.replays};
}

void Generation::append_text(Choice& choice) {
  model::ParsedOutput parsed = choice.output.take();
  for (const FilterMatch& match : choice.output.take_matches()) {
    choice.withheld.changed = true;
    outlet_.filter_matched(match);
  }
  if (request_.filter) {
    choice.withheld.thoughts += parsed.reasoning;
    choice.withheld.content += parsed.content;
  }
  choice.pending.content += parsed.content;
  choice.pending.reasoning += parsed.reasoning;
  for (model::ToolCallPiece& piece : parsed.tool_calls) {
    std::string id;
    const std::uint64_t nonce = request_.nonce != 0 ? request_.nonce : first_;
    if (piece.begins)
      id = piece.id.empty() ? call_id(request_.id, nonce, choice.pending.choice, piece.index)
                            : std::move(piece.id);
    choice.pending.tool_calls.push_back(
        {piece.index, std::move(id), std::move(piece.name), std::move(piece.arguments)});
  }
  if (choice.finished || choice.output.settled()) tell_tokens(choice);
}

// Those of which a filter has changed something are told as one: the first of thoughts, and of others, has the text that is
// told, the rest none; what the model wrote stays unsaid.
void Generation::tell_tokens(Choice& choice) {
  Withheld told = std::exchange(choice.withheld, {});
  if (told.changed) {
    const TokenId stand_in = text_.eos_ids.empty() ? TokenId(0) : text_.eos_ids.front();
    std::ranges::fill(told.token_ids, stand_in);
    for (LogprobEntry& entry : told.logprobs) {
      std::string& text = entry.of_thoughts ? told.thoughts : told.content;
      entry.chosen = {stand_in, std::exchange(text, {}), entry.chosen.logprob, false};
      entry.top.clear();
    }
  }
  Delta& news = choice.pending;
  news.token_ids.insert(news.token_ids.end(), told.token_ids.begin(), told.token_ids.end());
  std::ranges::move(told.logprobs, std::back_inserter(news.logprobs));
}

// The choice's news go to the reader, or wait for their turn while the sequence is paused.
void Generation::offer(Choice& choice) {
  if (!choice.pending.says_something()) return;
  if (credit_ > 0) return send(choice);
  if (!std::exchange(choice.queued, true)) waiting_.push_back(std::size_t(choice.pending.choice));
  if (choice.finished || std::exchange(choice.paused, true)) return;
  outlet_.pause(choice.submission.sequence);
}

void Generation::send(Choice& choice) {
  --credit_;
  Delta delta;
  delta.choice = choice.pending.choice;
  std::swap(delta, choice.pending);
  outlet_.delta(std::move(delta));
  if (std::exchange(choice.paused, false) && !choice.finished) outlet_.resume(choice.submission.sequence);
}

void Generation::grant(std::int64_t deltas) {
  if (over_) return;
  credit_ += deltas;
  while (credit_ > 0 && !waiting_.empty()) {
    Choice& choice = choices_[waiting_.front()];
    waiting_.pop_front();
    ++visits_;
    choice.queued = false;
    send(choice);
  }
  end_if_done();
}

void Generation::end_if_done() {
  if (unfinished_ > 0 || !waiting_.empty()) return;
  over_ = true;
  outlet_.end(usage_);
}

// Takes all sequences back from the scheduler.
void Generation::leave(ChoiceEnd how) {
  over_ = true;
  for (Choice& choice : choices_) {
    if (std::exchange(choice.finished, true)) continue;
    if (submitted_) outlet_.cancel(choice.submission.sequence);
    outlet_.choice_ended(how);
  }
  unfinished_ = 0;
  waiting_.clear();
}

void Generation::cancel() {
  if (!over_) leave(ChoiceEnd::abort);
}

void Generation::fail(const Refusal& why) {
  if (over_) return;
  leave(ChoiceEnd::error);
  outlet_.failure(why);
}

void Generation::cut_short() {
  for (Choice& choice : choices_) {
    if (over_ || choice.finished) continue;
    if (submitted_) outlet_.cancel(choice.submission.sequence);
    choice.output.finish(true);
    finish(choice, FinishReason::length);
    append_text(choice);
    offer(choice);
  }
  if (!over_) end_if_done();
}

void Generation::check() const {
  CHECK(credit_ >= 0, "credit was overdrawn");
  if (over_) return CHECK(unfinished_ == 0 && waiting_.empty(), "something is left after the end");
  CHECK(credit_ == 0 || waiting_.empty(), "news wait although there is credit");
  CHECK(unfinished_ > 0 || !waiting_.empty(), "all is told, and the end is not");
  std::vector<int> queued(choices_.size());
  for (const std::size_t index : waiting_) CHECK(++queued.at(index) == 1, "a choice waits twice");
  std::size_t unfinished = 0;
  std::int64_t completion = 0;
  for (std::size_t i = 0; i < choices_.size(); ++i) {
    const Choice& choice = choices_[i];
    unfinished += !choice.finished;
    completion += std::int64_t(choice.submission.tokens.size()) - choice.submission.prompt_tokens;
    CHECK(choice.queued == (queued[i] == 1), "a choice does not know whether it waits");
    CHECK(choice.queued == choice.pending.says_something(), "news are forgotten, or nothing waits");
    CHECK(choice.finished || choice.paused == choice.queued,
          "a sequence is paused for no reason, or runs on");
  }
  CHECK(unfinished == unfinished_, "choices that run are miscounted");
  CHECK(completion == usage_.completion_tokens, "tokens are miscounted");
}

}  // namespace troupe::runtime
