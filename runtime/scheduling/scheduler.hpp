// Decides what each step of a replica computes, for all its attention groups. No actors, no model, no clock:
// serving, the simulator and property tests drive the same class. Not thread-safe.
//
//   for (request : scheduler.propose())  plan = scheduler.dispose(pools[request.group].reserve(request));
//   (the workers run the plan)           for (result : results)  outputs = scheduler.commit(result);
#pragma once

#include <set>
#include <span>

#include "runtime/scheduling/group_scheduler.hpp"

namespace troupe::runtime {

// Sums over the groups, and each group's own.
struct SchedulerStats : GroupStats {
  std::uint64_t steps = 0;
  std::vector<GroupStats> groups;
};

class Scheduler {
 public:
  // make_policy is called once a group.
  Scheduler(const SchedulerLimits& limits, const PolicyFactory& make_policy, std::int32_t groups,
            Epoch epoch);

  // Assigns the sequence to a group for as long as that keeps its cache: the one with the longest known
  // prefix of it, then the one with the least tokens to compute and to hold. Refuses, with the numbers: queue
  // full (unavailable; never what is resubmitted), too long or empty (invalid). CHECKs that the id is new.
  Expected<void> submit(Submission submission);
  // Forgets a sequence wherever it is, in flight too; its blocks
  // go back with the next request. Unknown ids are ignored.
  void cancel(SequenceId sequence);
  // A paused sequence keeps its place and is the first to lose its blocks when others need them.
  void pause(SequenceId sequence);
  void resume(SequenceId sequence);

  // What the pools must hear and grant for the next step, at most one request a group, in order of group.
  // Empty: nothing to say, or the last requests or step are still unanswered. At most one step is in flight.
  // A group whose request was outstanding when an epoch began proposes nothing until the reply has come.
  std::vector<BlockRequest> propose();
  // Replies may come in any order. The plan comes with the last that is awaited and
  // has a part for every group, in order of group. Empty optional: others are awaited,
  // or nobody was granted anything. A reply of another generation is ignored. One that
  // an epoch has overtaken makes no plan; propose may have more to say then.
  std::optional<StepPlan> dispose(BlockReply reply);
  // Whether a result has what the step in flight awaits of its group; true for one that is not awaited.
  bool fits(const StepResult& result) const;
  // CHECKs that the result fits. Every group answers, also one without work, in any order; the last result
  // advances the sequences of the step in flight. A result that is not awaited (other epoch or step, or a
  // second one of its group) yields nothing.
  std::vector<CommittedToken> commit(StepResult result);

  // A new epoch after a fault: the step in flight is void for all. The groups in `lost` have lost their
  // caches: their sequences are forgotten and returned, in order of arrival, for their owners to submit
  // again, and their pools must be reset to the new generation before they get another request. Sequences of
  // other groups keep their blocks and compute the interrupted step again.
  std::vector<SequenceId> start_epoch(Epoch epoch, std::span<const GroupId> lost);
  // Of a group's cache: the epoch that it began with. So it only
  // grows, also when a new scheduler follows one that died.
  std::uint64_t generation(GroupId group) const { return groups_.at(group).generation(); }

  std::int32_t groups() const { return std::int32_t(groups_.size()); }
  bool idle() const;  // no sequence that could run
  SchedulerStats stats() const;
  std::uint64_t steps_committed() const { return committed_; }
  const SchedulerLimits& limits() const { return limits_; }

 private:
  // A step is asked for (propose), planned (dispose) and committed; one at a time.
  enum class Phase { between, asked, in_flight };

  GroupScheduler* group_of(SequenceId id);
  GroupScheduler& group_for(Sequence& sequence);
  std::optional<StepPlan> plan();

  SchedulerLimits limits_;
  Epoch epoch_;
  std::vector<GroupScheduler> groups_;  // by id
  Phase phase_ = Phase::between;
  std::set<GroupId> awaited_;        // whose reply (asked) or result (in flight) is to come
  std::vector<StepResult> results_;  // by group, as far as they are in
  std::uint64_t committed_ = 0;      // steps
  StepId steps_ = 0;                 // planned; the last one's id, which no other step of this scheduler gets
};

}  // namespace troupe::runtime
