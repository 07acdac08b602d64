#include "runtime/scheduling/step_cycle.hpp"

#include <utility>

namespace troupe::runtime {

StepCycle::StepCycle(const SchedulerLimits& limits, const PolicyFactory& make_policy, std::int32_t groups,
                     Epoch epoch)
    : scheduler_(limits, make_policy, groups, epoch), epoch_(epoch) {}

StepCycle::Work StepCycle::propose() {
  if (!serving_) return {};
  Work work{scheduler_.propose(), {}};
  // Without requests others' replies are awaited, or nobody can move: what has changed is kept for then.
  if (!work.requests.empty()) changed_ = false;
  return work;
}

StepCycle::Work StepCycle::something_changed() {
  changed_ = true;
  return propose();
}

// That lets others run only if they wait for its turn.
StepCycle::Work StepCycle::somebody_rests() {
  return scheduler_.suspects() ? something_changed() : Work{};
}

void StepCycle::listen(CycleListener& listener, const PolicyChoice& policy) {
  listener_ = &listener;
  tell(CycleBegan{scheduler_.limits(), scheduler_.groups(), epoch_, policy});
}

std::vector<SequenceId> StepCycle::time_is(TimePoint now) {
  now_ = now;
  scheduler_.time_is(now);
  std::vector<SequenceId> late = scheduler_.late();
  for (const SequenceId each : late) forget_late(each);
  return late;
}

// What follows proposes the next step, mostly.
void StepCycle::forget_late(SequenceId sequence) {
  tell(SequenceTold{sequence, SequenceNews::late});
  scheduler_.cancel(sequence);
  changed_ = true;
}

StepCycle::Work StepCycle::use_policy(const PolicyChoice& policy) {
  scheduler_.use_policy([&] { return make_policy(policy.name, policy.options); });
  tell(PolicyChanged{policy});
  return something_changed();
}

StepCycle::Work StepCycle::begin_epoch(Epoch epoch) {
  if (epoch != epoch_) return {};
  tell(EpochBegan{epoch});
  serving_ = true;
  return something_changed();
}

StepCycle::Stopped StepCycle::stop_epoch(Epoch next, std::span<const GroupId> lost, const EpochEnd& how) {
  tell(EpochEnded{next, {lost.begin(), lost.end()}, how});
  epoch_ = next;
  serving_ = false;
  auto interrupted = scheduler_.start_epoch(next, lost, how);
  return {std::exchange(steps_, 0), std::move(interrupted), scheduler_.quarantined(),
          scheduler_.search_advanced()};
}

Expected<StepCycle::Work> StepCycle::submit(Submission submission, bool held) {
  std::optional<SequenceSubmitted> submitted;
  if (listener_) submitted.emplace(SequenceSubmitted{submission, held});
  const auto accepted = scheduler_.submit(std::move(submission), held);
  if (submitted) {
    submitted->accepted = accepted.has_value();
    tell(std::move(*submitted));
  }
  if (!accepted) return tl::unexpected(accepted.error());
  return something_changed();
}

StepCycle::Work StepCycle::hold(SequenceId sequence) {
  tell(SequenceTold{sequence, SequenceNews::hold});
  scheduler_.hold(sequence);
  return somebody_rests();
}

StepCycle::Work StepCycle::pause(SequenceId sequence) {
  tell(SequenceTold{sequence, SequenceNews::pause});
  scheduler_.pause(sequence);
  return somebody_rests();
}

StepCycle::Work StepCycle::resume(SequenceId sequence) {
  tell(SequenceTold{sequence, SequenceNews::resume});
  scheduler_.resume(sequence);
  return something_changed();
}

StepCycle::Work StepCycle::release(SequenceId sequence) {
  tell(SequenceTold{sequence, SequenceNews::release});
  scheduler_.release(sequence);
  return something_changed();
}

StepCycle::Work StepCycle::cancel(SequenceId sequence) {
  tell(SequenceTold{sequence, SequenceNews::cancel});
  scheduler_.cancel(sequence);
  return something_changed();  // its blocks go back even if nobody else runs
}

StepCycle::Work StepCycle::replied(BlockReply reply, Epoch asked_in) {
  tell(BlocksReplied{reply.group, reply.generation, reply.usage.total, asked_in});
  changed_ |= asked_in != epoch_;
  if (auto plans = scheduler_.dispose(std::move(reply)); !plans.empty()) {
    if (listener_) tell(StepPlanned{plans});
    Work work = propose();  // the step behind this one, whose inputs this one may sample
    work.plans = std::move(plans);
    return work;
  }
  // Nobody could move, or an epoch came between; it may be otherwise by now.
  return changed_ ? propose() : Work{};
}

StepCycle::Commit StepCycle::finished(StepResult result) {
  if (result.epoch != epoch_) return {Result::stale, {}, {}};
  if (!scheduler_.fits(result)) return {Result::nonsense, {}, {}};
  std::optional<ResultCame> came;
  if (listener_) came.emplace(ResultCame{result, {}});
  const auto before = scheduler_.steps_committed();
  auto tokens = scheduler_.commit(std::move(result));
  if (came) {
    came->committed = tokens;
    tell(std::move(*came));
  }
  if (scheduler_.steps_committed() == before) return {};
  steps_ += scheduler_.steps_committed() - before;
  return {Result::committed, std::move(tokens), something_changed()};
}

}  // namespace troupe::runtime
