// A step of one group: propose, dispose, plan, commit.
#include <algorithm>
#include <iterator>

#include "runtime/scheduling/group_scheduler.hpp"

namespace troupe::runtime {

std::optional<BlockRequest> GroupScheduler::propose(const StepCosts& costs, bool stream_waits) {
  wanted_predictions_ = 0;
  if (asked_) return std::nullopt;
  look();
  const std::int32_t budget =
      rank(stream_waits ? token_budget(costs.step) : limits_.max_num_batched_tokens, costs.step);
  BlockRequest request;
  request.group = group_;
  request.generation = generation_;
  request.wants = wants(budget);
  if (!request.wants.empty()) add_drafts(request.wants, costs);
  request.filled = std::exchange(filled_, {});
  request.released = std::exchange(released_, {});
  if (request.wants.empty() && request.filled.empty() && request.released.empty()) return std::nullopt;
  request.preemption_order.reserve(ranked_.size());
  for (auto each = ranked_.rbegin(); each != ranked_.rend(); ++each)
    request.preemption_order.push_back(each->first->submission.sequence);
  asked_ = true;
  return request;
}

bool GroupScheduler::stream_waits() const {
  return std::ranges::any_of(by_arrival_, [&](const auto& each) {
    return each.second.may_run() && plannable(each.second) && each.second.coming_outputs() > 0;
  });
}

// While a stream waits for its next token, a step takes no more of prompts than max_step_time allows.
std::int32_t GroupScheduler::token_budget(const StepCost& cost) const {
  constexpr std::int32_t fewest = 16;  // tokens of prompts: they go on, however long a step takes
  if (limits_.max_step_time.count() == 0) return limits_.max_num_batched_tokens;
  StepWork decoding;
  std::int32_t computed = 0;  // of the prompt that is furthest
  for (const SequenceView& each : views_)
    if (each.decoding)
      decoding = decoding + StepWork::of(1, each.computed, 1);
    else
      computed = std::max(computed, each.computed);
  const double limit = std::chrono::duration<double>(limits_.max_step_time).count();
  const std::int32_t fits = cost.rows_within(limit, decoding, computed, limits_.max_num_batched_tokens);
  return std::min(limits_.max_num_batched_tokens, std::int32_t(decoding.rows) + std::max(fits, fewest));
}

// Everyone who gets tokens or holds blocks, most urgent first: those that the policy named in its order, then those that it forgot
// or was not asked about, then the paused, each in order of arrival. Returns how many tokens the step may have.
std::int32_t GroupScheduler::rank(std::int32_t budget, const StepCost& cost) {
  const SchedulerView view{.sequences = views_,
                           .now = now_,
                           .free_blocks = free_blocks_,
                           .total_blocks = total_blocks_,
                           .block_size = limits_.block_size,
                           .ahead = predicts() ? std::max(0, limits_.speculation.tokens - 1) : 0,
                           .most_tokens = limits_.max_num_batched_tokens,
                           .most_running = limits_.max_num_seqs,
                           .cost = &cost};
  ask_policy(view, budget);
  rank_proposed();
  if (!somebody_runs()) {
    go_by_arrival();
    rank_proposed();
  }
  if (shadow_) shadow_->look(view, budget, proposal_);
  budget_ = std::clamp(proposal_.token_budget.value_or(budget), 1, limits_.max_num_batched_tokens);
  const auto holds_blocks = [](const auto& each) { return each.first->running; };
  if (std::ranges::count_if(ranked_, holds_blocks) == running_) return budget_;
  for (bool may_run : {true, false})
    for (auto& [place, sequence] : by_arrival_)
      if (sequence.running && sequence.may_run() == may_run && sequence.ranked_in != proposals_)
        ranked_.emplace_back(&sequence, 0);
  return budget_;
}

void GroupScheduler::ask_policy(const SchedulerView& view, std::int32_t budget) {
  proposal_.shares.clear();
  proposal_.token_budget.reset();
  try {
    policy_->propose(view, budget, proposal_);
  } catch (...) {  // a plugin's; what it had said by then counts for nothing
    go_by_arrival();
  }
}

void GroupScheduler::go_by_arrival() {
  ++stats_.policy_failures;
  proposal_ = {};
  for (const SequenceView& each : views_) proposal_.shares.push_back({each.id, each.pending});
}

void GroupScheduler::rank_proposed() {
  ++proposals_;
  ranked_.clear();
  for (const Share& share : proposal_.shares) {
    Sequence* sequence = find(share.sequence);
    if (!sequence || !sequence->may_run() || !plannable(*sequence)) continue;
    if (share.tokens <= 0 && !sequence->running) continue;  // thousands may wait
    if (std::exchange(sequence->ranked_in, proposals_) == proposals_) continue;
    ranked_.emplace_back(sequence, share.tokens);
  }
}

// Whoever is first surely gets blocks. So while nothing runs whose end would change matters, that is one with tokens; false:
// the policy gave nobody any.
bool GroupScheduler::somebody_runs() {
  if (views_.empty() || !in_flight_.empty()) return true;
  const auto first = std::ranges::find_if(ranked_, [](const auto& each) { return each.second > 0; });
  if (first == ranked_.end()) return false;
  std::rotate(ranked_.begin(), first, first + 1);
  return true;
}

// Whether the pool will look for a prefix of it.
bool GroupScheduler::may_share(const Sequence& sequence) const {
  return limits_.prefix_caching && !sequence.running && !sequence.wants_prompt_logprobs();
}

// The last token is always computed: its logits are what the next one is sampled from.
std::span<const BlockHash> GroupScheduler::prefix_of(Sequence& sequence) const {
  return sequence.hashes_of((sequence.length() - 1) / limits_.block_size, limits_.block_size);
}

bool GroupScheduler::plannable(const Sequence& sequence) const {
  return sequence.plannable(limits_.max_model_len);
}

// In the ranked order, trimmed to the token budget and to max_num_seqs.
std::vector<BlockWant> GroupScheduler::wants(std::int32_t budget) {
  std::vector<BlockWant> wants;
  wants.reserve(std::min(ranked_.size(), std::size_t(limits_.max_num_seqs)));
  forced_.clear();
  std::size_t last = ranked_.size();  // whoever ranks from here on holds no seat
  std::int32_t seats = running_, logprob_rows = most_prompt_logprob_rows;
  for (std::size_t i = 0; i < last && budget > 0; ++i) {
    const auto [sequence, proposed] = ranked_[i];
    std::int32_t tokens = std::min({proposed, sequence->pending(), budget});
    if (sequence->suspect_row > 0) tokens = std::min(tokens, sequence->rows_before_suspect_row());
    if (sequence->wants_prompt_logprobs()) tokens = std::min(tokens, logprob_rows);
    if (tokens <= 0) continue;
    if (!sequence->running) {
      if (seats < limits_.max_num_seqs) {
        ++seats;
      } else {  // the least urgent gives up its seat, as it would its blocks
        do --last;
        while (last > i && !ranked_[last].first->running);
        if (last == i) break;
        released_.push_back(ranked_[last].first->submission.sequence);
        preempt(*ranked_[last].first);
      }
    }
    budget -= tokens;
    if (sequence->wants_prompt_logprobs()) logprob_rows -= tokens;
    wants.push_back(want(*sequence, tokens));
    forced_.push_back(may_draft(*sequence) ? sequence->forced_room(limits_.max_model_len) : 0);
    sequence->forced_drafts = 0;
  }
  return wants;
}

// With what the greatest step leaves, once everybody has a token: what a grammar forces, and behind that guesses. Nobody
// shall lose blocks for them.
void GroupScheduler::add_drafts(std::vector<BlockWant>& wants, const StepCosts& costs) {
  const bool forces = std::ranges::max(forced_) > 0;
  if (limits_.speculation.tokens > 0)
    choose_drafts(wants, costs);
  else if (forces)
    drafted_.assign(wants.size(), {});
  else
    return;
  if (free_blocks_ < 2 * std::int32_t(wants.size())) return;
  std::int32_t budget = limits_.max_num_batched_tokens;
  for (const BlockWant& want : wants) budget -= want.new_tokens;
  const std::int32_t made =
      predicts() ? predictions_ : limits_.speculation.tokens;  // at most, by the step before
  std::int32_t spare = forces ? spare_rows(wants) : 0;
  for (std::size_t i = 0; i < wants.size(); ++i) {
    const std::int32_t guesses = std::min({drafted_[i].drafts, made, budget});
    const std::int32_t forced = std::min({forced_[i], guesses + spare, budget});
    const std::int32_t drafts = std::max(guesses, forced);
    if (forced > 0) by_id_.at(wants[i].sequence)->forced_drafts = forced;
    spare -= drafts - guesses;
    wants[i].new_tokens += drafts;
    wants[i].length += drafts;
    budget -= drafts;
    // The prediction layer stores what it makes of its own drafts behind the step's rows.
    if (wanted_predictions_ > 1)
      wants[i].ahead = std::clamp(limits_.max_model_len - wants[i].length, 0, wanted_predictions_ - 1);
  }
}

// Beyond everybody's tokens and guesses, for which the step has logits and the pool has blocks.
std::int32_t GroupScheduler::spare_rows(const std::vector<BlockWant>& wants) const {
  std::int32_t logits = most_logit_rows(limits_);
  for (std::size_t i = 0; i < wants.size(); ++i) {
    const bool of_prompt = by_id_.at(wants[i].sequence)->wants_prompt_logprobs();
    logits -= drafted_[i].drafts + (of_prompt ? wants[i].new_tokens : 1);
  }
  const std::int32_t blocks = free_blocks_ - 2 * std::int32_t(wants.size());
  return std::max(0, std::min(logits, blocks * limits_.block_size));
}

// How many drafts would be right for each, and how many are to be made for the next step.
void GroupScheduler::choose_drafts(const std::vector<BlockWant>& wants, const StepCosts& costs) {
  const Speculation& speculation = limits_.speculation;
  wanted_predictions_ = predicts() ? speculation.tokens : 0;
  if (speculation.adapts && predicts() && !guesses_will_pay(costs)) wanted_predictions_ = 0;
  drafted_.clear();
  StepWork work;
  for (const BlockWant& want : wants) {
    const Sequence& sequence = *by_id_.at(want.sequence);
    work = work + StepWork::of(want.new_tokens, want.computed, sequence.decoding());
    const bool may = may_draft(sequence) && !(speculation.adapts && predicts() && sequence.prediction_gap);
    const std::int32_t room =
        may ? std::min(speculation.tokens, sequence.draft_room(limits_.max_model_len)) : 0;
    drafted_.push_back({&sequence.acceptance, want.computed, room, speculation.adapts ? 0 : room});
  }
  if (!speculation.adapts) return;
  constexpr std::uint64_t plain_interval = 32;  // a step without drafts now and then, to know what it takes
  if (++adapted_ % plain_interval == 0)
    for (Drafted& each : drafted_) each.most = 0;
  const DraftedStep step = choose_draft_lengths(drafted_, work, predicts(), costs);
  if (wanted_predictions_ > 0) wanted_predictions_ = std::max(1, step.longest);
}

// Whether the prediction layer is run, by those that may run.
bool GroupScheduler::guesses_will_pay(const StepCosts& costs) {
  drafted_.clear();
  for (const auto& [place, sequence] : by_arrival_) {
    if (!sequence.may_run() || std::int32_t(drafted_.size()) == limits_.max_num_seqs) continue;
    drafted_.push_back({&sequence.acceptance, sequence.length(), limits_.speculation.tokens, 0});
  }
  return prediction_switch_.decide(drafted_, costs);
}

BlockWant GroupScheduler::want(Sequence& sequence, std::int32_t tokens) const {
  BlockWant want{.sequence = sequence.submission.sequence,
                 .computed = sequence.coming_computed(),
                 .new_tokens = tokens,
                 .length = sequence.coming_length(),
                 .known_blocks = sequence.known_blocks,
                 .prefix = {}};
  if (sequence.suspect_row > want.computed) want.length = std::min(want.length, sequence.suspect_row);
  if (may_share(sequence)) {
    const auto hashes = prefix_of(sequence);
    want.prefix.assign(hashes.begin(), hashes.end());
  }
  return want;
}

bool GroupScheduler::dispose(BlockReply reply) {
  if (reply.generation != generation_ || !asked_) return false;
  asked_ = false;
  known_.limit(std::size_t(reply.usage.total));
  total_blocks_ = reply.usage.total;
  free_blocks_ = reply.usage.total - reply.usage.used;
  for (SequenceId victim : reply.preempted) {
    // What was filled since the request was made is gone again, too.
    std::erase_if(filled_, [&](const FilledBlock& block) { return block.sequence == victim; });
    if (Sequence* sequence = find(victim)) preempt(*sequence);
  }
  granted_.clear();
  for (const BlockGrant& grant : reply.grants) {
    granted_.push_back(find(grant.sequence));
    if (granted_.back()) seat(*granted_.back(), grant);
  }
  grants_ = std::move(reply.grants);
  if (!std::exchange(void_, false)) return true;
  grants_.clear();
  granted_.clear();
  return true;
}

void GroupScheduler::seat(Sequence& sequence, const BlockGrant& grant) {
  if (!sequence.running && limits_.prefix_caching) {
    // A prefix that was found is young again; its start stays the longest, as in the pool.
    const auto found = sequence.hashes_of(grant.computed / limits_.block_size, limits_.block_size);
    for (auto hash = found.rbegin(); hash != found.rend(); ++hash) known_.remember(*hash);
  }
  count(sequence, -1);
  if (!std::exchange(sequence.running, true)) sequence.computed = grant.computed;
  count(sequence, 1);
  if (sequence.found >= 0) return;
  sequence.found = grant.computed;
  sequence.seated = now_;
  begun_tokens_ += sequence.length();
}

bool GroupScheduler::granted() const {
  return std::ranges::any_of(granted_, [](const Sequence* sequence) { return sequence != nullptr; });
}

StepPlan GroupScheduler::plan(std::int32_t predictions) {
  StepPlan plan;
  plan.predictions = predictions_ = predictions;
  plan.group = group_;
  plan.forget = std::exchange(unknown_, {});
  plan.extend.reserve(grants_.size());
  Step& step = in_flight_.emplace_back();
  step.parts.reserve(grants_.size());
  step.budget = budget_;
  for (std::size_t i = 0; i < grants_.size(); ++i)
    if (granted_[i]) add_part(plan, *granted_[i], std::move(grants_[i]));
  grants_.clear();
  granted_.clear();
  return plan;
}

// A sequence that decodes computes its last token; whatever else it was granted is for drafts.
void GroupScheduler::add_part(StepPlan& plan, Sequence& sequence, BlockGrant&& grant) {
  const Submission& submission = sequence.submission;
  const std::int32_t begin = sequence.coming_computed(), rows = grant.new_tokens;
  const std::int32_t drafts = sequence.decoding() ? rows - 1 : 0;
  const std::int32_t end = begin + rows - drafts, told = std::min(end + 1, sequence.length());
  CHECK(rows > 0 && end <= sequence.coming_length(), "a grant past the sequence's end");
  const bool samples = end == sequence.coming_length();
  Extend& part = plan.extend.emplace_back(Extend{submission.sequence, {}, {}, rows, drafts, samples});
  sequence.known_blocks += std::int32_t(grant.blocks.size());
  if (!std::exchange(sequence.begun, true)) {
    CHECK(grant.computed == begin && told >= end, "a sequence begins with what is known and cached");
    Begin& begun =
        plan.begin.emplace_back(Begin{submission.sequence,
                                      {submission.tokens.begin(), submission.tokens.begin() + told},
                                      submission.prompt_tokens,
                                      begin,
                                      submission.sampling,
                                      submission.rules,
                                      std::move(grant.blocks)});
    if (!sequence.wants_prompt_logprobs()) begun.sampling.prompt_logprobs = -1;
  } else {
    if (sequence.known_tokens < told)
      part.tokens.assign(submission.tokens.begin() + sequence.known_tokens, submission.tokens.begin() + told);
    part.blocks = std::move(grant.blocks);
  }
  sequence.known_tokens = std::max(sequence.known_tokens, told);
  sequence.planned += rows;
  sequence.sampling += samples;
  sequence.drafts += drafts;
  sequence.prediction_gap |= predictions_ == 0;
  Step& step = in_flight_.back();
  step.work = step.work + StepWork::of(rows, begin, samples ? 1 + drafts : 0);
  step.parts.push_back({submission.sequence, &sequence, sequence.seating, begin, rows, drafts,
                        std::min(drafts, sequence.forced_drafts), samples});
}

void GroupScheduler::commit(StepResult result, std::vector<CommittedToken>& committed) {
  CHECK(!in_flight_.empty() && fits(result, 0), "a step's outputs do not fit");
  const std::vector<Part> parts = std::move(in_flight_.front().parts);
  stats_.last_step_budget = in_flight_.front().budget;
  in_flight_.pop_front();
  stats_.last_step_sequences = std::int32_t(parts.size());
  stats_.last_step_tokens = 0;
  for (PromptLogprobs& each : result.prompts) keep_logprobs(parts, std::move(each));
  auto output = result.outputs.begin();
  committed.reserve(committed.size() + result.outputs.size());
  std::int32_t longest = 0, prompt_rows = 0;  // drafts that were tried
  const std::size_t before = committed.size();
  SequenceOutput none;
  for (const Part& part : parts) {
    stats_.last_step_tokens += part.rows;
    longest = std::max(longest, part.drafts - part.forced);
    prompt_rows += part.rows - (part.samples ? 1 + part.drafts : 0);
    commit_part(part, part.samples ? *output++ : none, committed);
  }
  acceptance_.rested(longest);
  prediction_switch_.learn(prompt_rows, double(committed.size() - before));
}

// Of the seating that the others are of; else they come again.
void GroupScheduler::keep_logprobs(std::span<const Part> parts, PromptLogprobs logprobs) {
  const auto part = std::ranges::find(parts, logprobs.sequence, &Part::id);
  if (part == parts.end() || !part->sequence || part->sequence->logprobs_seating != part->seating) return;
  std::ranges::move(logprobs.tokens, std::back_inserter(part->sequence->prompt_logprobs));
}

void GroupScheduler::commit_part(const Part& part, SequenceOutput& output,
                                 std::vector<CommittedToken>& committed) {
  Sequence* const sequence = part.sequence;
  if (!sequence) return;
  const bool seated = sequence->seating == part.seating;
  std::int32_t rows = part.rows - part.drafts;
  FinishReason finish = FinishReason::none;
  if (part.samples) {
    count_drafts(*sequence, part, std::int32_t(output.sampled.size()) - 1);
    --sequence->sampling;
    sequence->drafts -= part.drafts;
    std::int32_t taken = 0;  // what was computed past an end is nobody's
    for (; taken < std::int32_t(output.sampled.size()) && finish == FinishReason::none; ++taken)
      finish = append(*sequence, output.sampled[std::size_t(taken)], committed);
    sequence->forced_length = sequence->length() + output.forced;
    rows += taken - 1;
  }
  if (seated) {
    advance(*sequence, rows);
    sequence->planned -= part.rows;
    if (part.samples) sequence->known_tokens = sequence->length();  // the ranks have sampled it themselves
  }
  if (finish == FinishReason::error)  // nobody shall share what led to it
    std::erase_if(filled_, [&](const auto& block) { return block.sequence == part.id; });
  if (finish != FinishReason::none) forget(*sequence, finish != FinishReason::error);
}

// What a grammar forces says nothing of how good guesses are; nor do guesses behind such a draft that was wrong.
void GroupScheduler::count_drafts(Sequence& sequence, const Part& part, std::int32_t accepted) {
  stats_.forced_tokens += std::uint64_t(part.forced);
  stats_.accepted_forced_tokens += std::uint64_t(std::min(accepted, part.forced));
  sequence.forced_acceptance.tried(part.forced, std::min(accepted, part.forced));
  const std::int32_t right = accepted - part.forced, guesses = right < 0 ? 0 : part.drafts - part.forced;
  sequence.acceptance.rested(guesses);
  if (guesses == 0) return;
  sequence.acceptance.tried(guesses, right);
  acceptance_.tried(guesses, right);
  ++stats_.drafts;
  stats_.draft_tokens += std::uint64_t(guesses);
  stats_.accepted_tokens += std::uint64_t(right);
  stats_.accepted_at.resize(std::size_t(limits_.speculation.tokens));
  for (std::int32_t i = 0; i < right; ++i) ++stats_.accepted_at[std::size_t(i)];
}

FinishReason GroupScheduler::append(Sequence& sequence, SampledToken& sampled,
                                    std::vector<CommittedToken>& committed) {
  CommittedToken& token = committed.emplace_back();
  token.sequence = sequence.submission.sequence;
  token.output_position = std::uint64_t(sequence.outputs());
  token.sampled = std::move(sampled);
  token.cached_tokens = sequence.found;
  token.prompt_logprobs.swap(sequence.prompt_logprobs);
  token.seated = sequence.seated;
  count(sequence, -1);
  token.finish = sequence.append(token.sampled.token, limits_.max_model_len);
  count(sequence, 1);
  tokens_ += token.finish != FinishReason::error;
  return token.finish;
}

bool GroupScheduler::fits(const StepResult& result, std::size_t at) const {
  auto output = result.outputs.begin();
  for (const Part& part : in_flight_.at(at).parts) {
    if (!part.samples) continue;
    if (output == result.outputs.end() || output->sequence != part.id) return false;
    if (output->sampled.empty() || std::int32_t(output->sampled.size()) > part.drafts + 1) return false;
    if (output->forced < 0 || output->forced > most_forced_tokens) return false;
    ++output;
  }
  return output == result.outputs.end();
}

// Only now others may share what the step has filled.
void GroupScheduler::advance(Sequence& sequence, std::int32_t rows) {
  const std::int32_t begin = sequence.computed, end = begin + rows;
  const std::int32_t prompt = sequence.submission.prompt_tokens;
  stats_.prompt_tokens_computed += std::uint64_t(std::max(0, std::min(end, prompt) - begin));
  stats_.replayed_tokens +=
      std::uint64_t(std::max(0, std::min(end, sequence.replay_end) - std::max(begin, prompt)));
  sequence.computed = end;
  if (!limits_.prefix_caching) return;
  const std::int32_t before = begin / limits_.block_size, after = end / limits_.block_size;
  const auto hashes = sequence.hashes_of(after, limits_.block_size);
  for (std::int32_t i = before; i < after; ++i) {
    filled_.push_back({sequence.submission.sequence, i, hashes[std::size_t(i)]});
    known_.remember(hashes[std::size_t(i)]);
  }
}

}  // namespace troupe::runtime
