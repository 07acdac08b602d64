#include "actors/scheduler_actor.hpp"

#include "runtime/base/log.hpp"

namespace troupe::actors {
namespace {

using Self = SchedulerHandle::stateful_pointer<SchedulerActorState>;
using Work = runtime::StepCycle::Work;

void carry_out(Self self, const Work& work);

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

template <class Message>
void tell_workers(Self self, const Message& message) {
  for (const WorkerHandle& worker : self->state.workers) self->send(worker, message);
}

// The sequence is over, here or everywhere.
void leave_grammar(Self self, SequenceId sequence) {
  if (const auto unused = self->state.grammars.remove(sequence)) tell_workers(self, ForgetGrammar{*unused});
}

// The cycle has forgotten the sequence, and its owner is told why.
void dismiss(Self self, SequenceId sequence, Refusal why) {
  auto& state = self->state;
  leave_grammar(self, sequence);
  const auto owner = state.owners.extract(sequence);
  if (!owner) return;
  settle(self, owner.mapped().address(), sequence);
  self->send(owner.mapped(), Refused{sequence, std::move(why)});
}

// It is told the time before whatever it may plan a step in. Who is late by then is gone.
runtime::StepCycle& cycle_now(Self self) {
  runtime::StepCycle& cycle = *self->state.cycle;
  for (const SequenceId each : cycle.time_is(self->clock().now()))
    dismiss(self, each, runtime::too_late(cycle.scheduler().retry_after()));
  return cycle;
}

// After whatever may have changed the queues.
void show(Self self) {
  auto& state = self->state;
  runtime::SchedulerStats stats = state.cycle->scheduler().stats();
  state.metrics->scheduler(stats);
  if (stats.policy_failures > 0 && state.policy_failures == 0)
    log_event(
        LogLevel::error, "policy_failed",
        {{"consequence", "where the policy throws or lets nobody run, sequences go in order of arrival"}});
  state.policy_failures = stats.policy_failures;
  state.status->stats(std::move(stats), self->clock().now());
}

void ask(Self self, const runtime::BlockRequest& request) {
  auto& state = self->state;
  self->request(state.blocks[request.group], caf::infinite, request)
      .then(
          [self, epoch = state.cycle->epoch()](const runtime::BlockReply& reply) {
            const Work work = cycle_now(self).replied(reply, epoch);
            show(self);
            carry_out(self, work);
          },
          [self](const caf::error& error) {  // its death is the supervisor's business
            log_event(LogLevel::warning, "no_blocks", {{"error", self->system().render(error)}});
          });
}

void carry_out(Self self, const Work& work) {
  auto& state = self->state;
  for (const runtime::StepPlan& plan : work.plans) {  // first, since workers wait for them
    const std::size_t of_group = state.workers.size() / work.plans.size(), first = plan.group * of_group;
    for (std::size_t rank = first; rank < first + of_group; ++rank) self->send(state.workers[rank], plan);
  }
  const bool at_rest = state.cycle->scheduler().steps_in_flight() == 0;
  if (at_rest && !work.requests.empty()) state.step_began = self->clock().now();
  for (const runtime::BlockRequest& request : work.requests) ask(self, request);
}

void hand_out(Self self, const std::vector<runtime::CommittedToken>& tokens) {
  auto& owners = self->state.owners;
  for (const runtime::CommittedToken& committed : tokens) {
    const auto owner = owners.find(committed.sequence);
    if (owner == owners.end()) continue;
    self->send(owner->second, TokenReady{committed});
    if (committed.finish == runtime::FinishReason::none) continue;
    leave_grammar(self, committed.sequence);
    settle(self, owner->second.address(), committed.sequence);
    owners.erase(owner);
  }
}

void take_result(Self self, const runtime::StepResult& result) {
  using Result = runtime::StepCycle::Result;
  auto& state = self->state;
  const auto commit = cycle_now(self).finished(result);
  switch (commit.result) {
    case Result::noted:
      return;
    case Result::stale:
      return state.metrics->stale_message();
    case Result::nonsense:
      log_event(LogLevel::error, "nonsense_result", {{"group", result.group}, {"step", result.step}});
      return self->quit(caf::make_error(caf::sec::runtime_error, "a worker's result does not fit its step"));
    case Result::committed:
      state.metrics->step_committed(self->clock().now() -
                                    std::exchange(state.step_began, self->clock().now()));
      // Ranks wait for what comes next, and the block managers' turn is behind that of all who get tokens.
      carry_out(self, commit.work);
      hand_out(self, commit.tokens);
      show(self);
  }
}

// Whether the sequence is to be held until the ranks have made its grammar ready, of which they are told here.
bool needs_grammar(Self self, const runtime::Submission& submission) {
  if (!submission.rules.grammar) return false;
  const auto added =
      self->state.grammars.add(submission.sequence, submission.rules.grammar, submission.grammar);
  if (!added.told) tell_workers(self, LearnGrammar{submission.grammar, added.telling});
  return !added.ready;
}

void submit(Self self, const Submit& message) {
  auto& state = self->state;
  const auto owner = caf::actor_cast<RequestHandle>(self->current_sender());
  const SequenceId sequence = message.submission.sequence;
  const bool held = needs_grammar(self, message.submission);
  const auto work = cycle_now(self).submit(message.submission, held);
  if (!work) {
    leave_grammar(self, sequence);
    return self->send(owner, Refused{sequence, work.error()});
  }
  state.owners[sequence] = owner;
  auto& submitted = state.submitted[owner.address()];
  if (submitted.empty()) self->monitor(owner);
  submitted.insert(sequence);
  self->send(owner, Queued{sequence});
  show(self);
  carry_out(self, *work);
}

void cancel(Self self, SequenceId sequence) {
  auto& state = self->state;
  state.owners.erase(sequence);
  leave_grammar(self, sequence);
  const Work work = cycle_now(self).cancel(sequence);
  show(self);
  carry_out(self, work);
}

// The request leaves by itself then, and takes its sequences along.
void withdraw(Self self, const WithdrawSequences& order) {
  const runtime::Scheduler& scheduler = self->state.cycle->scheduler();
  for (SequenceId each = order.first; each < order.first + order.count; ++each)
    if (scheduler.has_begun(each)) return;
  Refusal why = order.why;
  why.retry_after = scheduler.retry_after();
  self->send(caf::actor_cast<RequestHandle>(self->current_sender()), Refused{order.first, std::move(why)});
}

// A request that died without a word leaves nothing behind.
void bury(Self self, const caf::actor_addr& owner) {
  const auto orphans = self->state.submitted.extract(owner);
  if (!orphans) return;
  for (const SequenceId sequence : orphans.mapped()) cancel(self, sequence);
}

void take_ready(Self self, const GrammarReady& message) {
  auto& state = self->state;
  if (!state.grammars.awaits(message.id, message.telling)) return;  // it has been forgotten since
  if (message.failure.empty()) {
    for (const SequenceId sequence : state.grammars.ready(message.id, std::size_t(message.rank)))
      carry_out(self, cycle_now(self).release(sequence));
    return;
  }
  log_event(LogLevel::error, "grammar_failed", {{"rank", message.rank}, {"error", message.failure}});
  for (const SequenceId sequence : state.grammars.sequences_of(message.id)) {
    const auto owner = state.owners.extract(sequence);
    if (!owner) continue;
    settle(self, owner.mapped().address(), sequence);
    cancel(self, sequence);
    self->send(owner.mapped(),
               Refused{sequence, {RefusalKind::internal, message.failure, "", "grammar_failed"}});
  }
}

void change_policy(Self self, const ChangePolicy& order) {
  const Work work = cycle_now(self).use_policy(order.policy);
  self->state.status->policy(order.policy);
  log_event(LogLevel::info, "policy_changed", {{"policy", order.policy.name}});
  carry_out(self, work);
}

runtime::EpochStopped stop_epoch(Self self, const runtime::StopEpoch& order) {
  auto& state = self->state;
  const auto stopped = state.cycle->stop_epoch(order.next, order.lost, order.how);
  if (stopped.quarantined) dismiss(self, *stopped.quarantined, runtime::quarantine());
  for (const SequenceId sequence : stopped.interrupted) {
    leave_grammar(self, sequence);
    if (auto owner = state.owners.extract(sequence))
      self->send(owner.mapped(), Interrupted{sequence, order.next});
  }
  show(self);
  return {order.next, stopped.steps_committed, stopped.search_advanced};
}

// One of them may be new, and have no grammars.
void meet_workers(Self self) {
  auto& state = self->state;
  state.grammars.meet(state.workers.size());
  for (const SequenceId sequence : state.grammars.sequences()) state.cycle->hold(sequence);
  for (const runtime::GrammarRoll::Telling& each : state.grammars.tellings())
    tell_workers(self, LearnGrammar{each.grammar, each.number});
}

void begin_epoch(Self self, const BeginEpoch& order) {
  auto& state = self->state;
  if (order.epoch != state.cycle->epoch()) return state.metrics->stale_message();
  state.blocks = order.blocks;
  state.workers = order.workers;
  meet_workers(self);
  carry_out(self, cycle_now(self).begin_epoch(order.epoch));
}

}  // namespace

SchedulerHandle::behavior_type scheduler_actor(Self self, SchedulerSettings settings) {
  using runtime::make_policy;
  auto& state = self->state;
  const runtime::PolicyChoice& policy = settings.policy;
  state.cycle = std::make_unique<runtime::StepCycle>(
      settings.limits, [&] { return make_policy(policy.name, policy.options); }, settings.groups,
      settings.epoch);
  if (const std::string& shadow = settings.shadow_policy; !shadow.empty())
    state.cycle->shadow_with([&] { return make_policy(shadow); });
  state.listener = settings.listener;
  cycle_now(self);
  if (state.listener) state.cycle->listen(*state.listener, policy);
  state.metrics = std::move(settings.metrics);
  state.status = settings.status;
  state.status->begin(settings.limits, policy, settings.shadow_policy);
  self->set_down_handler([self](const caf::down_msg& down) { bury(self, down.source); });
  return {
      [self](const Submit& message) { submit(self, message); },
      [self](const PauseSequence& message) { carry_out(self, cycle_now(self).pause(message.sequence)); },
      [self](const ResumeSequence& message) { carry_out(self, cycle_now(self).resume(message.sequence)); },
      [self](const CancelSequence& message) {
        settle(self, caf::actor_cast<caf::actor_addr>(self->current_sender()), message.sequence);
        cancel(self, message.sequence);
      },
      [self](const WithdrawSequences& order) { withdraw(self, order); },
      [self](const GrammarReady& message) { take_ready(self, message); },
      [self](const runtime::StepResult& result) { take_result(self, result); },
      [self](const runtime::StopEpoch& order) { return stop_epoch(self, order); },
      [self](const BeginEpoch& order) { begin_epoch(self, order); },
      [self](const ChangePolicy& order) { change_policy(self, order); },
      [self](const Drill&) { self->quit(caf::make_error(caf::sec::runtime_error, "fault drill")); },
  };
}

}  // namespace troupe::actors
