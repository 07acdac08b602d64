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

void finish_step(Self self, const runtime::StepResult& result) {
  auto& state = self->state;
  state.busy = false;
  ++state.steps_in_epoch;
  for (const runtime::CommittedToken& committed : state.scheduler->commit(result)) {
    const auto owner = state.owners.find(committed.sequence);
    if (owner == state.owners.end()) continue;
    self->send(owner->second.request, TokenReady{committed, owner->second.cached_tokens});
    if (committed.finish == runtime::FinishReason::none) continue;
    settle(self, owner->second.request.address(), committed.sequence);
    state.owners.erase(owner);
  }
  state.metrics->step_committed(std::chrono::steady_clock::now() - state.step_began);
  state.metrics->scheduler(state.scheduler->stats());
  start_step(self);
}

// A peer that fails is its supervisor's business; the epoch ends with it and the step is formed anew.
auto step_failed(Self self, const char* peer) {
  return [self, peer](const caf::error& error) {
    log_event(LogLevel::warning, "step_failed",
              {{"peer", peer}, {"epoch", self->state.epoch}, {"error", self->system().render(error)}});
  };
}

void execute(Self self, const runtime::StepPlan& plan) {
  const Epoch epoch = self->state.epoch;
  self->request(self->state.worker, caf::infinite, plan)
      .then(
          [self, epoch](const runtime::StepResult& result) {
            if (epoch == self->state.epoch) return finish_step(self, result);
            self->state.metrics->stale_message();
          },
          step_failed(self, "worker"));
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
  if (!plan) {
    state.busy = false;  // nobody can move until something changes; it may have changed meanwhile
    if (std::exchange(state.changed, false)) start_step(self);
    return;
  }
  note_cached(state, *plan);
  execute(self, *plan);
}

void start_step(Self self) {
  auto& state = self->state;
  if (state.busy || !state.worker) {
    state.changed = true;
    return;
  }
  state.changed = false;
  const auto request = state.scheduler->propose();
  if (!request) return;
  state.busy = true;
  state.step_began = std::chrono::steady_clock::now();
  const Epoch epoch = state.epoch;
  self->request(state.blocks, caf::infinite, *request)
      .then(
          [self, epoch](const runtime::BlockReply& reply) {
            if (epoch == self->state.epoch) return use_grants(self, reply);
            self->state.metrics->stale_message();
          },
          step_failed(self, "kv_block_manager"));
}

void submit(Self self, const Submit& message) {
  auto& state = self->state;
  const auto owner = caf::actor_cast<RequestHandle>(self->current_sender());
  const SequenceId sequence = message.submission.sequence;
  if (state.gave_up) return self->send(owner, Refused{sequence, *state.gave_up});
  if (auto accepted = state.scheduler->submit(message.submission); !accepted)
    return self->send(owner, Refused{sequence, accepted.error()});
  state.owners[sequence] = {owner, -1};
  auto& submitted = state.submitted[owner.address()];
  if (submitted.empty()) self->monitor(owner);
  submitted.insert(sequence);
  state.metrics->scheduler(state.scheduler->stats());
  start_step(self);
}

void cancel(Self self, SequenceId sequence) {
  auto& state = self->state;
  state.scheduler->cancel(sequence);
  state.owners.erase(sequence);
  state.metrics->scheduler(state.scheduler->stats());
  start_step(self);  // its blocks go back even if nobody else runs
}

// A request that died without a word leaves nothing behind.
void bury(Self self, const caf::actor_addr& owner) {
  const auto orphans = self->state.submitted.extract(owner);
  if (!orphans) return;
  for (const SequenceId sequence : orphans.mapped()) cancel(self, sequence);
}

EpochStopped stop_epoch(Self self, Epoch next) {
  auto& state = self->state;
  const EpochStopped stopped{state.steps_in_epoch};
  state.epoch = next;
  state.steps_in_epoch = 0;
  state.busy = false;
  state.worker = WorkerHandle{};
  state.blocks = KvBlockManagerHandle{};
  for (const SequenceId sequence : state.scheduler->start_epoch(next))
    if (auto owner = state.owners.extract(sequence))
      self->send(owner.mapped().request, Interrupted{sequence, next});
  state.metrics->scheduler(state.scheduler->stats());
  return stopped;
}

void give_up(Self self, const Refusal& why) {
  auto& state = self->state;
  state.gave_up = why;
  for (const auto& [sequence, owner] : state.owners) self->send(owner.request, Refused{sequence, why});
  state.owners.clear();
  state.submitted.clear();
  state.scheduler->start_epoch(state.epoch + 1);
  state.metrics->scheduler(state.scheduler->stats());
}

}  // namespace

SchedulerHandle::behavior_type scheduler_actor(Self self, runtime::SchedulerLimits limits, std::string policy,
                                               std::shared_ptr<Metrics> metrics) {
  self->state.scheduler =
      std::make_unique<runtime::Scheduler>(limits, runtime::make_policy(policy), Epoch{0});
  self->state.metrics = std::move(metrics);
  self->set_down_handler([self](const caf::down_msg& down) { bury(self, down.source); });
  return {
      [self](const Submit& message) { submit(self, message); },
      [self](const PauseSequence& message) { self->state.scheduler->pause(message.sequence); },
      [self](const ResumeSequence& message) {
        self->state.scheduler->resume(message.sequence);
        start_step(self);
      },
      [self](const CancelSequence& message) {
        settle(self, caf::actor_cast<caf::actor_addr>(self->current_sender()), message.sequence);
        cancel(self, message.sequence);
      },
      [self](const StopEpoch& message) { return stop_epoch(self, message.next); },
      [self](Epoch epoch, const KvBlockManagerHandle& blocks, const WorkerHandle& worker) {
        auto& state = self->state;
        if (epoch != state.epoch) return state.metrics->stale_message();
        state.blocks = blocks;
        state.worker = worker;
        start_step(self);
      },
      [self](const GiveUp& message) { give_up(self, message.why); },
  };
}

}  // namespace troupe::actors
