#include "actors/scheduler_actor.hpp"

#include "runtime/base/log.hpp"

namespace troupe::actors {
namespace {

using Self = SchedulerHandle::stateful_pointer<SchedulerActorState>;

void start_step(Self self);

// The sequence is over for its owner.
void settle(Self self, const caf::actor_addr& owner, SequenceId sequence) {
  auto& submitted = self->state.submitted;
  const auto found = submitted.find(owner);
  if (found == submitted.end()) return;
  found->second.erase(sequence);
  if (!found->second.empty()) return;
  self->demonitor(owner);
  submitted.erase(found);
}

void finish_step(Self self, const std::vector<runtime::CommittedToken>& tokens) {
  auto& state = self->state;
  for (const runtime::CommittedToken& committed : tokens) {
    const auto owner = state.owners.find(committed.sequence);
    if (owner == state.owners.end()) continue;
    self->send(owner->second.request, TokenReady{committed, owner->second.cached_tokens});
    if (committed.finish == runtime::FinishReason::none) continue;
    settle(self, owner->second.request.address(), committed.sequence);
    state.owners.erase(owner);
  }
  state.metrics->step_committed(std::chrono::steady_clock::now() - state.step_began);
}

// The last group's result ends the step.
void take_result(Self self, const runtime::StepResult& result) {
  auto& state = self->state;
  if (result.epoch != state.epoch) return state.metrics->stale_message();
  if (!state.scheduler->fits(result)) {
    log_event(LogLevel::error, "nonsense_result", {{"group", result.group}, {"step", result.step}});
    return self->quit(caf::make_error(caf::sec::runtime_error, "a worker's result does not fit its step"));
  }
  const auto steps = state.scheduler->steps_committed();
  const auto tokens = state.scheduler->commit(result);
  if (state.scheduler->steps_committed() == steps) return;
  ++state.steps_in_epoch;
  finish_step(self, tokens);
  state.metrics->scheduler(state.scheduler->stats());
  start_step(self);
}

void execute(Self self, const runtime::StepPlan& plan) {
  for (const WorkerHandle& worker : self->state.workers) self->send(worker, plan);
}

void note_cached(SchedulerActorState& state, const runtime::StepPlan& plan) {
  for (const auto& group : plan.groups)
    for (const auto& slice : group.slices)
      if (const auto owner = state.owners.find(slice.sequence); owner != state.owners.end())
        if (owner->second.cached_tokens < 0) owner->second.cached_tokens = slice.first_position;
}

void use_grants(Self self, const runtime::BlockReply& reply) {
  auto& state = self->state;
  const auto plan = state.scheduler->dispose(reply);
  state.metrics->scheduler(state.scheduler->stats());
  if (plan) {
    note_cached(state, *plan);
    execute(self, *plan);
  } else if (state.changed) {
    start_step(self);  // nobody could move, or an epoch came between; it may be otherwise by now
  }
}

void ask(Self self, const runtime::BlockRequest& request) {
  auto& state = self->state;
  self->request(state.blocks[request.group], caf::infinite, request)
      .then(
          [self, epoch = state.epoch](const runtime::BlockReply& reply) {
            self->state.changed |= epoch != self->state.epoch;
            use_grants(self, reply);
          },
          [self](const caf::error& error) {  // its death is the supervisor's business
            log_event(LogLevel::warning, "no_blocks", {{"error", self->system().render(error)}});
          });
}

void start_step(Self self) {
  auto& state = self->state;
  if (state.workers.empty()) return;
  const auto requests = state.scheduler->propose();
  if (requests.empty()) return;  // or others' replies are awaited: what has changed is kept for then
  state.changed = false;
  state.step_began = std::chrono::steady_clock::now();
  for (const auto& request : requests) ask(self, request);
}

void something_changed(Self self) {
  self->state.changed = true;
  start_step(self);
}

void submit(Self self, const Submit& message) {
  auto& state = self->state;
  const auto owner = caf::actor_cast<RequestHandle>(self->current_sender());
  const SequenceId sequence = message.submission.sequence;
  if (auto accepted = state.scheduler->submit(message.submission); !accepted)
    return self->send(owner, Refused{sequence, accepted.error()});
  state.owners[sequence] = {owner, -1};
  auto& submitted = state.submitted[owner.address()];
  if (submitted.empty()) self->monitor(owner);
  submitted.insert(sequence);
  state.metrics->scheduler(state.scheduler->stats());
  something_changed(self);
}

void cancel(Self self, SequenceId sequence) {
  auto& state = self->state;
  state.scheduler->cancel(sequence);
  state.owners.erase(sequence);
  state.metrics->scheduler(state.scheduler->stats());
  something_changed(self);  // its blocks go back even if nobody else runs
}

// A request that died without a word leaves nothing behind.
void bury(Self self, const caf::actor_addr& owner) {
  const auto orphans = self->state.submitted.extract(owner);
  if (!orphans) return;
  for (const SequenceId sequence : orphans.mapped()) cancel(self, sequence);
}

EpochStopped stop_epoch(Self self, const StopEpoch& order) {
  auto& state = self->state;
  const EpochStopped stopped{std::exchange(state.steps_in_epoch, 0)};
  state.epoch = order.next;
  state.workers.clear();
  for (const SequenceId sequence : state.scheduler->start_epoch(order.next, order.lost))
    if (auto owner = state.owners.extract(sequence))
      self->send(owner.mapped().request, Interrupted{sequence, order.next});
  state.metrics->scheduler(state.scheduler->stats());
  return stopped;
}

}  // namespace

SchedulerHandle::behavior_type scheduler_actor(Self self, SchedulerSettings settings) {
  auto& state = self->state;
  state.scheduler = std::make_unique<runtime::Scheduler>(
      settings.limits, [policy = settings.policy] { return runtime::make_policy(policy); }, settings.groups,
      settings.epoch);
  state.epoch = settings.epoch;
  state.metrics = std::move(settings.metrics);
  self->set_down_handler([self](const caf::down_msg& down) { bury(self, down.source); });
  return {
      [self](const Submit& message) { submit(self, message); },
      [self](const PauseSequence& message) { self->state.scheduler->pause(message.sequence); },
      [self](const ResumeSequence& message) {
        self->state.scheduler->resume(message.sequence);
        something_changed(self);
      },
      [self](const CancelSequence& message) {
        settle(self, caf::actor_cast<caf::actor_addr>(self->current_sender()), message.sequence);
        cancel(self, message.sequence);
      },
      [self](const runtime::StepResult& result) { take_result(self, result); },
      [self](const StopEpoch& order) { return stop_epoch(self, order); },
      [self](Epoch epoch, const std::vector<KvBlockManagerHandle>& blocks,
             const std::vector<WorkerHandle>& workers) {
        auto& state = self->state;
        if (epoch != state.epoch) return state.metrics->stale_message();
        state.blocks = blocks;
        state.workers = workers;
        something_changed(self);
      },
      [self](const Drill&) { self->quit(caf::make_error(caf::sec::runtime_error, "fault drill")); },
  };
}

}  // namespace troupe::actors
