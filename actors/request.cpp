#include "actors/request.hpp"

#include <algorithm>

#include "actors/request_birth.hpp"
#include "runtime/base/log.hpp"

namespace troupe::actors {
namespace {

using Self = RequestHandle::stateful_pointer<RequestState>;
using Choice = RequestState::Choice;

TimePoint now() {
  return std::chrono::steady_clock::now();
}

Choice* find_running(RequestState& state, SequenceId sequence) {
  const auto found =
      std::ranges::find(state.choices, sequence, [](const Choice& each) { return each.submission.sequence; });
  return found == state.choices.end() || found->finished ? nullptr : &*found;
}

void submit(Self self, const Choice& choice) {
  self->send(self->state.scheduler, Submit{choice.submission});
  if (choice.paused) self->send(self->state.scheduler, PauseSequence{choice.submission.sequence});
}

// With all that it has produced, after a fault.
void replay(Self self, Choice& choice) {
  choice.submission.resubmitted = true;
  submit(self, choice);
}

// Takes all sequences back from the scheduler and ends. outcome: for the metrics and the log.
void leave(Self self, const char* outcome) {
  auto& state = self->state;
  for (Choice& choice : state.choices)
    if (!choice.finished) {
      choice.finished = true;
      self->send(state.scheduler, CancelSequence{choice.submission.sequence});
      state.context->metrics->choice_finished(outcome);
    }
  log_event(LogLevel::info, "request_ended",
            {{"request_id", state.request.id},
             {"outcome", outcome},
             {"prompt_tokens", state.usage.prompt_tokens},
             {"completion_tokens", state.usage.completion_tokens}});
  self->quit();
}

bool worth_sending(const Delta& delta) {
  return !delta.content.empty() || !delta.reasoning.empty() || !delta.tool_calls.empty() ||
         !delta.logprobs.empty() || !delta.finish_reason.empty();
}

void send_pending(RequestState& state, Choice& choice) {
  if (!worth_sending(choice.pending) || state.credit == 0) return;
  --state.credit;
  Delta delta;
  delta.choice = choice.pending.choice;
  std::swap(delta, choice.pending);
  state.sink->delta(std::move(delta));
}

// A sequence whose news must wait is paused; one that caught up goes on.
void pace(Self self, Choice& choice) {
  const bool behind = worth_sending(choice.pending);
  if (choice.finished || behind == choice.paused) return;
  choice.paused = behind;
  if (behind)
    self->send(self->state.scheduler, PauseSequence{choice.submission.sequence});
  else
    self->send(self->state.scheduler, ResumeSequence{choice.submission.sequence});
}

// Sends what the reader has credit for, the choices taking turns, and ends when nothing is left to come or to
// send.
void flush(Self self) {
  auto& state = self->state;
  bool waiting = false;
  for (std::size_t i = 0; i < state.choices.size(); ++i) {
    Choice& choice = state.choices[(state.next_choice + i) % state.choices.size()];
    send_pending(state, choice);
    pace(self, choice);
    waiting |= worth_sending(choice.pending);
  }
  ++state.next_choice;
  if (state.choices.empty() || state.unfinished > 0 || waiting) return;
  state.context->metrics->request_finished(now() - state.arrival);
  state.sink->end(state.usage);
  leave(self, "finished");
}

LogprobToken named(const model::Tokenizer& tokenizer, TokenId token, float logprob) {
  return {token, std::string(tokenizer.token_bytes(token)), logprob};
}

void append_text(const model::TextModel& text, Choice& choice, const runtime::SequenceOutput& output,
                 bool wants_logprobs, const std::string& call_id_prefix) {
  model::ParsedOutput parsed = choice.output.take();
  choice.pending.content += parsed.content;
  choice.pending.reasoning += parsed.reasoning;
  for (model::ToolCallPiece& piece : parsed.tool_calls) {
    const std::string id = piece.begins ? call_id_prefix + std::to_string(piece.index) : "";
    choice.pending.tool_calls.push_back({piece.index, id, std::move(piece.name), std::move(piece.arguments)});
  }
  if (!wants_logprobs) return;
  LogprobEntry entry{named(text.tokenizer, output.token, output.logprob), {}};
  for (const auto& [token, logprob] : output.top) entry.top.push_back(named(text.tokenizer, token, logprob));
  choice.pending.logprobs.push_back(std::move(entry));
}

void finish_choice(RequestState& state, Choice& choice, runtime::FinishReason why) {
  choice.finished = true;
  --state.unfinished;
  choice.pending.stop_reason = choice.output.matched_stop();
  choice.pending.finish_reason = why == runtime::FinishReason::length ? "length"
                                 : choice.output.called_tools()       ? "tool_calls"
                                                                      : "stop";
  state.context->metrics->choice_finished(choice.pending.finish_reason);
}

void time_token(RequestState& state, Choice& choice) {
  const bool first = choice.last_token == TimePoint{};
  const TimePoint at = now();
  if (first)
    state.context->metrics->first_token(at - state.arrival);
  else
    state.context->metrics->next_token(at - choice.last_token);
  choice.last_token = at;
}

// The prompt as the client sent it.
std::string echo_of(const RequestState& state, const Choice& choice) {
  const Prompt& prompt = state.request.prompts[std::size_t(choice.pending.choice / state.request.n)];
  if (const auto* text = std::get_if<std::string>(&prompt)) return *text;
  return state.context->text->tokenizer.decode(choice.submission.tokens, state.request.skip_special_tokens);
}

void take_token(Self self, const TokenReady& ready) {
  auto& state = self->state;
  const auto& committed = ready.committed;
  Choice* choice = find_running(state, committed.sequence);
  if (!choice) return;  // computed past a stop: dropped, not counted
  if (committed.finish == runtime::FinishReason::error) {
    state.sink->fail(
        {RefusalKind::internal, "The model's output for this request is not a number.", "", "not_a_number"});
    return leave(self, "error");
  }
  auto& tokens = choice->submission.tokens;
  CHECK(committed.output_position == tokens.size() - std::size_t(choice->submission.prompt_tokens),
        "tokens of a sequence come in order, each once");
  if (choice->last_token == TimePoint{}) {
    // A prompt counts once, however many choices it has.
    if (choice->pending.choice % state.request.n == 0) state.usage.cached_tokens += committed.cached_tokens;
    if (state.request.echo) choice->pending.content = echo_of(state, *choice);
  }
  time_token(state, *choice);
  tokens.push_back(committed.output.token);
  ++state.usage.completion_tokens;
  // A token that ends the sequence is not text, unless the client asked to go on past it.
  const bool ends = committed.finish == runtime::FinishReason::stop;
  const bool stopped = !ends && choice->output.push(committed.output.token);
  if (stopped || committed.finish != runtime::FinishReason::none) {
    if (!stopped) choice->output.finish();
    if (committed.finish == runtime::FinishReason::none)
      self->send(state.scheduler, CancelSequence{committed.sequence});
    finish_choice(state, *choice, stopped ? runtime::FinishReason::stop : committed.finish);
  }
  // The request's id makes the call's unique among all that a client may put into one conversation.
  const std::string calls = "call_" + state.request.id + "_" + std::to_string(choice->pending.choice) + "_";
  append_text(*state.context->text, *choice, committed.output, state.request.logprobs >= 0, calls);
  flush(self);
}

void begin(Self self) {
  auto& state = self->state;
  auto choices = make_choices(state.request, *state.context);
  if (!choices) {
    state.sink->fail(choices.error());
    return leave(self, "refused");
  }
  state.choices = std::move(*choices);
  state.unfinished = state.choices.size();
  for (std::size_t i = 0; i < state.choices.size(); i += std::size_t(state.request.n))
    state.usage.prompt_tokens += state.choices[i].submission.prompt_tokens;
  state.context->metrics->request_tokenized(std::size_t(state.usage.prompt_tokens));
  log_event(LogLevel::info, "request_accepted",
            {{"request_id", state.request.id},
             {"choices", state.choices.size()},
             {"prompt_tokens", state.usage.prompt_tokens}});
}

// The edge tells of each in turn, so that nothing is submitted twice.
void use_scheduler(Self self, const SchedulerHandle& scheduler) {
  auto& state = self->state;
  const SchedulerHandle before = std::exchange(state.scheduler, scheduler);
  if (before == scheduler) return;
  for (Choice& choice : state.choices)
    if (!choice.finished) before ? replay(self, choice) : submit(self, choice);
}

}  // namespace

RequestHandle::behavior_type request(Self self, GenerationRequest request,
                                     std::shared_ptr<RequestContext> context,
                                     std::shared_ptr<TerminalOnce> sink) {
  auto& state = self->state;
  state.arrival = now();
  state.request = std::move(request);
  state.context = std::move(context);
  state.sink = std::move(sink);
  begin(self);
  return {
      [self](const TokenReady& ready) { take_token(self, ready); },
      [self](const Refused& refused) {
        if (!find_running(self->state, refused.sequence)) return;
        self->state.sink->fail(refused.refusal);
        leave(self, "error");
      },
      [self](const Interrupted& interrupted) {
        if (Choice* choice = find_running(self->state, interrupted.sequence)) replay(self, *choice);
      },
      [self](const NewScheduler& message) { use_scheduler(self, message.scheduler); },
      [self](const GiveUp& message) {
        if (self->state.sink->fail(message.why)) leave(self, "error");
      },
      [self](const Credit& credit) {
        self->state.credit += credit.deltas;
        flush(self);
      },
      [self](const CancelRequest&) {
        if (self->state.sink->close()) leave(self, "abort");
      },
  };
}

}  // namespace troupe::actors
