// The steps of a replica: propose, reserve, dispose, execute, commit; the next is planned while one is executed. Says what to ask of the block
// pools and what to have computed; whoever carries that to and fro, an actor or a simulator, decides nothing. What it
// holds its successor could get from the owners of the sequences again. Not thread-safe.
#pragma once

#include "runtime/scheduling/cycle_events.hpp"
#include "runtime/scheduling/scheduler.hpp"

namespace troupe::runtime {

class StepCycle {
 public:
  // What to do next; often nothing.
  struct Work {
    std::vector<BlockRequest> requests;  // each for the pool of its group, whose reply is awaited
    std::vector<StepPlan> plans;         // by group, each for all workers of it; none, or one for every group
  };
  enum class Result {
    stale,      // of an epoch that is over
    nonsense,   // it does not fit its step; nothing has changed
    noted,      // others are awaited, or this one was not
    committed,  // a step is over, or more
  };
  struct Commit {
    Result result = Result::noted;
    std::vector<CommittedToken> tokens;
    Work work;
  };
  struct Stopped {
    std::uint64_t steps_committed = 0;        // since it was stopped the last time
    std::vector<SequenceId> interrupted;      // forgotten; for their owners to submit again
    std::optional<SequenceId> quarantined{};  // forgotten, for its owner to be told so: see quarantine()
    bool search_advanced = false;             // as in Scheduler
  };

  // Begins without an epoch that could be served; epoch: that was reached when it was made.
  StepCycle(const SchedulerLimits& limits, const PolicyFactory& make_policy, std::int32_t groups,
            Epoch epoch);

  // From now on listener, which outlives this, hears of everything; policy: that it was made with.
  void listen(CycleListener& listener, const PolicyChoice& policy);

  // From the next step on that is proposed. Throws as make_policy; then the policy stays.
  Work use_policy(const PolicyChoice& policy);
  void shadow_with(const PolicyFactory& make_policy) { scheduler_.shadow_with(make_policy); }

  // All workers have met in the epoch. Nothing happens if it is over.
  Work begin_epoch(Epoch epoch);
  // Nothing of the epoch counts any more; the groups in `lost` have lost their caches.
  Stopped stop_epoch(Epoch next, std::span<const GroupId> lost, const EpochEnd& how = {});

  // To be told before whatever may plan a step. Returns who was forgotten since it is late, for its owner to be told so; see
  // Scheduler::late and too_late.
  std::vector<SequenceId> time_is(TimePoint now);
  void forget_late(SequenceId sequence);

  // As in Scheduler.
  Expected<Work> submit(Submission submission, bool held = false);
  Work hold(SequenceId sequence);
  Work release(SequenceId sequence);
  Work pause(SequenceId sequence);
  Work resume(SequenceId sequence);
  Work cancel(SequenceId sequence);

  // asked_in: the epoch in which the request was made.
  Work replied(BlockReply reply, Epoch asked_in);
  Commit finished(StepResult result);

  Epoch epoch() const { return epoch_; }
  const Scheduler& scheduler() const { return scheduler_; }

 private:
  Work propose();
  Work something_changed();
  Work somebody_rests();
  template <class Event>
  void tell(Event&& event) {
    if (listener_) listener_->heard(std::forward<Event>(event), now_);
  }

  Scheduler scheduler_;
  CycleListener* listener_ = nullptr;
  TimePoint now_{};
  Epoch epoch_;
  bool serving_ = false;  // the epoch's workers have met
  bool changed_ = false;  // something may let another sequence run since the last proposal
  std::uint64_t steps_ = 0;
};

}  // namespace troupe::runtime
