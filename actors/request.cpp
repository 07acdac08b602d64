#include "actors/request.hpp"

#include "runtime/base/log.hpp"
#include "runtime/scheduling/suspects.hpp"

namespace troupe::actors {
namespace {

using Self = RequestHandle::stateful_pointer<RequestState>;

// Speaks for the generation of the actor that owns it.
class Outlet final : public runtime::GenerationOutlet {
 public:
  explicit Outlet(Self self) : self_(self), state_(self->state) {}

  void submit(const runtime::Submission& submission) override { tell(Submit{submission}); }
  void pause(SequenceId sequence) override { tell(PauseSequence{sequence}); }
  void resume(SequenceId sequence) override { tell(ResumeSequence{sequence}); }
  void cancel(SequenceId sequence) override { tell(CancelSequence{sequence}); }

  void accepted(const runtime::Usage& usage) override { state_.sink->accepted(usage); }
  void delta(runtime::Delta delta) override { state_.sink->delta(std::move(delta)); }
  void end(const runtime::Usage& usage) override {
    state_.outcome = "finished";
    state_.context->metrics->request_finished(self_->clock().now() - state_.arrival);
    state_.sink->end(usage);
  }
  void failure(const Refusal& why) override {
    state_.outcome = "error";
    state_.sink->fail(why);
  }

  void first_token(Duration since_arrival) override { state_.context->metrics->first_token(since_arrival); }
  void next_token(Duration since_previous) override { state_.context->metrics->next_token(since_previous); }
  void choice_ended(runtime::ChoiceEnd how) override { state_.context->metrics->choice_finished(how); }
  void choice_served(const runtime::ChoiceTimes& times) override {
    state_.context->metrics->choice_served(times);
  }
  void repetition_ended() override { state_.context->metrics->repetition_ended(); }
  void filter_matched(const runtime::FilterMatch& match) override {
    state_.context->metrics->filter_matched(match);
  }

 private:
  template <class Message>
  void tell(Message message) {
    self_->send(state_.scheduler, std::move(message));
  }

  const Self self_;
  RequestState& state_;
};

void leave(Self self, const char* outcome, const runtime::Usage& usage = {}) {
  log_event(LogLevel::info, "request_ended",
            {{"request_id", self->state.id},
             {"outcome", outcome},
             {"prompt_tokens", usage.prompt_tokens},
             {"completion_tokens", usage.completion_tokens}});
  self->quit();
}

// Of a request that was not tokenized yet. Its choices are counted, though none has begun.
void leave_early(Self self, const char* outcome, runtime::ChoiceEnd how) {
  for (std::size_t i = 0; i < self->state.choices; ++i) self->state.context->metrics->choice_finished(how);
  leave(self, outcome);
}

// Lets the generation do something, and ends with it.
template <class Step>
void advance(Self self, Step step) {
  auto& generation = self->state.generation;
  CHECK(generation, "a request is spoken to about its sequences once it has some");
  step(*generation);
  if (generation->over()) leave(self, self->state.outcome, generation->usage());
}

// Leaves long work to threads of the queue's; Tokenized says that it is done.
template <class Work>
void prepare(Self self, JobQueue& queue, Work prepared) {
  auto& state = self->state;
  const auto work = std::make_shared<std::packaged_task<RequestState::Prepared()>>(std::move(prepared));
  state.prepared = work->get_future();
  auto place = queue.add(
      [work, to = caf::actor_cast<RequestHandle>(self)] {
        (*work)();
        caf::anon_send(to, Tokenized{});
      },
      state.caller);
  if (place) return void(state.place.emplace(std::move(*place)));
  state.sink->fail(too_much_to_tokenize(queue, place.error()));
  leave(self, "refused");
}

// Draws what the request needs of its own.
void tokenize(Self self, runtime::GenerationRequest request) {
  auto& state = self->state;
  const SequenceId first = state.context->next_sequence.fetch_add(state.choices);
  prepare(self, *state.context->tokenizing,
          [request = std::move(request), context = state.context, first,
           seed = runtime::draw_seed()]() mutable -> RequestState::Prepared {
            auto choices = make_choices(request, *context->text, context->rules, first, seed);
            const bool compiled =
                !choices || !context->rules.grammars || grammars_at_hand(*choices, *context->rules.grammars);
            return {std::move(request), std::move(choices), compiled};
          });
}

// Where others compile, who hold nobody up but each other.
void compile(Self self, RequestState::Prepared prepared) {
  auto& context = self->state.context;
  // The wait for these threads is a part of the time that a compile has.
  const TimePoint deadline = context->rules.grammars->deadline();
  prepare(self, *context->compiling, [prepared = std::move(prepared), context, deadline]() mutable {
    if (const auto done = compile_grammars(*prepared.choices, *context->rules.grammars, deadline); !done)
      prepared.choices = tl::unexpected(done.error());
    prepared.compiled = true;
    return std::move(prepared);
  });
}

// Asks the reader, who may have to pay for it.
Expected<void> count(TerminalOnce& sink, const std::vector<runtime::NewChoice>& choices,
                     std::size_t prompts) {
  // The choices of a prompt stand together.
  const std::size_t of_one = choices.size() / prompts;
  std::int64_t prompt_tokens = 0, most_output_tokens = 0;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    const runtime::Submission& each = choices[i].submission;
    if (i % of_one == 0) prompt_tokens += each.prompt_tokens;
    most_output_tokens += each.max_output_tokens;
  }
  return sink.counted(prompt_tokens, most_output_tokens);
}

void begin(Self self) {
  auto& state = self->state;
  RequestState::Prepared prepared = state.prepared.get();
  state.place.reset();
  if (!prepared.compiled) return compile(self, std::move(prepared));
  if (prepared.choices)
    if (const auto paid = count(*state.sink, *prepared.choices, prepared.request.prompts.size()); !paid)
      prepared.choices = tl::unexpected(paid.error());
  if (!prepared.choices) {
    state.sink->fail(prepared.choices.error());
    return leave(self, "refused");
  }
  state.outlet = std::make_unique<Outlet>(self);
  auto& generation = state.generation.emplace(std::move(prepared.request), std::move(*prepared.choices),
                                              *state.context->text, *state.outlet, state.arrival);
  const std::int64_t prompt_tokens = generation.usage().prompt_tokens;
  state.context->metrics->request_tokenized(std::size_t(prompt_tokens), generation.request().n,
                                            generation.request().max_tokens);
  log_event(LogLevel::info, "request_accepted",
            {{"request_id", state.id}, {"choices", generation.choices()}, {"prompt_tokens", prompt_tokens}});
  generation.grant(state.early_credit);
  if (state.scheduler) generation.meet_scheduler();
}

// The supervisor tells of each in turn, so that nothing is submitted twice.
void use_scheduler(Self self, const SchedulerHandle& scheduler) {
  auto& state = self->state;
  if (std::exchange(state.scheduler, scheduler) == scheduler || !state.generation) return;
  state.generation->meet_scheduler();
}

void give_up(Self self, const Refusal& why) {
  auto& state = self->state;
  if (state.generation) return advance(self, [&](auto& generation) { generation.fail(why); });
  if (state.sink->fail(why)) leave_early(self, "error", runtime::ChoiceEnd::error);
}

void cancel(Self self) {
  auto& state = self->state;
  if (!state.sink->close()) return;
  if (state.generation) return advance(self, [](auto& generation) { generation.cancel(); });
  leave_early(self, "abort", runtime::ChoiceEnd::abort);
}

// Unless it has begun to be computed.
void withdraw(Self self, const Refusal& why) {
  auto& state = self->state;
  if (!state.generation || !state.scheduler) return give_up(self, why);
  self->send(state.scheduler,
             WithdrawSequences{state.generation->first_sequence(), state.generation->choices(), why});
}

void note_quarantine(Self self, SequenceId sequence) {
  log_event(LogLevel::error, "request_quarantined", {{"request_id", self->state.id}, {"sequence", sequence}});
  self->state.context->metrics->request_quarantined();
}

Refusal late(RefusalKind kind, const char* what, const char* code) {
  return {kind, std::string("The request's time is up: ") + what, "", code};
}

void time_is_up(Self self, TimeLimit limit) {
  const auto& generation = self->state.generation;
  const bool has_output = generation && generation->has_output();
  switch (limit) {
    case TimeLimit::queue:
      return withdraw(self, late(RefusalKind::unavailable, "its turn has not come.", "queue_timeout"));
    case TimeLimit::first_token:
      if (has_output) return;
      return give_up(self, late(RefusalKind::unavailable, "it has no token yet.", "ttft_timeout"));
    case TimeLimit::request:
      if (has_output && generation->request().times.partial)
        return advance(self, [](auto& mine) { mine.cut_short(); });
      return give_up(self, late(RefusalKind::timeout, "it has not ended.", "request_timeout"));
  }
}

}  // namespace

Refusal too_much_to_tokenize(const JobQueue& queue, JobQueue::Full full) {
  if (full == JobQueue::Full::share)
    return {RefusalKind::rate_limited,
            "Too many of the caller's requests wait: " + std::to_string(queue.share()) +
                " wait to be tokenized, and no more may.",
            "", "too_many_waiting"};
  return {RefusalKind::unavailable,
          "The queue is full: " + std::to_string(queue.limit()) + " requests wait to be tokenized.", "",
          "queue_full"};
}

RequestHandle::behavior_type request(Self self, runtime::GenerationRequest request,
                                     std::shared_ptr<RequestContext> context,
                                     std::shared_ptr<TerminalOnce> sink) {
  auto& state = self->state;
  state.arrival = self->clock().now();
  state.id = request.id;
  state.caller = request.caller_number();
  state.choices = request.prompts.size() * std::size_t(request.n);
  state.context = std::move(context);
  state.sink = std::move(sink);
  tokenize(self, std::move(request));
  return {
      [self](const Tokenized&) { begin(self); },
      [self](const TokenReady& ready) {
        advance(self, [&](auto& generation) { generation.take(ready.committed, self->clock().now()); });
      },
      [self](const Queued& queued) {
        advance(self, [&](auto& generation) { generation.queued(queued.sequence); });
      },
      [self](const Refused& refused) {
        if (refused.refusal.code == runtime::quarantine_code) note_quarantine(self, refused.sequence);
        advance(self, [&](auto& generation) { generation.refused(refused.sequence, refused.refusal); });
      },
      [self](const Interrupted& interrupted) {
        advance(self, [&](auto& generation) { generation.replay(interrupted.sequence); });
      },
      [self](const NewScheduler& message) { use_scheduler(self, message.scheduler); },
      [self](const GiveUp& message) { give_up(self, message.why); },
      [self](const Credit& credit) {
        if (!self->state.generation) return void(self->state.early_credit += credit.deltas);
        advance(self, [&](auto& generation) { generation.grant(credit.deltas); });
      },
      [self](const TimeIsUp& message) { time_is_up(self, message.limit); },
      [self](const Withdraw& message) { withdraw(self, message.why); },
      [self](const CancelRequest&) { cancel(self); },
  };
}

}  // namespace troupe::actors
