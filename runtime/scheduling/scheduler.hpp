// Decides what each step of a replica computes, for all its attention groups. No actors, no model, no clock:
// serving, the simulator and property tests drive the same class. Not thread-safe.
//
//   for (request : scheduler.propose())  plans = scheduler.dispose(pools[request.group].reserve(request));
//   (the workers run the plans)          for (result : results)  outputs = scheduler.commit(result);
//
// While a step is in flight the next one may be planned: its inputs may be what the first one samples.
#pragma once

#include <deque>
#include <optional>
#include <span>

#include "runtime/scheduling/admission.hpp"
#include "runtime/scheduling/group_scheduler.hpp"

namespace troupe::runtime {

// Sums over the groups, and each group's own.
struct SchedulerStats : GroupStats {
  std::uint64_t steps = 0;
  std::vector<GroupStats> groups;
  // Until a newcomer would have a token behind all that wait. Nothing: nobody knows, or the policy may let it go before others.
  std::optional<Duration> newcomers_wait;
};

class Scheduler {
 public:
  // make_policy is called once a group.
  Scheduler(const SchedulerLimits& limits, const PolicyFactory& make_policy, std::int32_t groups,
            Epoch epoch);

  // Of whatever follows, until it is told again. Policies go by it, and who may still join the queue.
  void time_is(TimePoint now);

  // From the next proposal on, for all that it has and gets; the factory is called once a group. Throws what the factory
  // throws; then the policy stays.
  void use_policy(const PolicyFactory& make_policy);
  // Besides, such a policy sees what the one that serves sees, and what it would choose is counted; see ShadowStats.
  void shadow_with(const PolicyFactory& make_policy);

  // Assigns the sequence to a group for as long as that keeps its cache: the one with the longest known
  // prefix of it, then the one with the least tokens to compute and to hold. Refuses, with the numbers: what is too
  // long or empty (invalid), and by admission.hpp; never what is resubmitted. CHECKs that the id is new. held: see hold.
  Expected<void> submit(Submission submission, bool held = false);
  // Forgets a sequence wherever it is, in flight too: what is computed of it is dropped and not counted. Its blocks
  // go back with the next request. Unknown ids are ignored.
  void cancel(SequenceId sequence);
  // Who waits for its first blocks and can have no token by the time that it has to any more, as long as steps take of late;
  // never what is resubmitted. To be cancelled: computed, it would take the place of others in vain.
  std::vector<SequenceId> late() const;
  // A paused sequence keeps its place and is the first to lose its blocks when others need them.
  void pause(SequenceId sequence);
  void resume(SequenceId sequence);
  // The ranks are not ready for it, or are by now; beside a pause.
  void hold(SequenceId sequence);
  void release(SequenceId sequence);

  // What the pools must hear and grant for the next step, at most one request a group, in order of group.
  // Empty: nothing to say, or the last requests are unanswered, or max_steps_in_flight are. A group whose request was
  // outstanding when an epoch began proposes nothing until the reply has come.
  std::vector<BlockRequest> propose();
  // Replies may come in any order. The plans, one for each group and in order of group, come with the last that is
  // awaited. None: others are awaited, or nobody was granted anything. A reply of another generation is ignored. One that
  // an epoch has overtaken makes no plan; propose may have more to say then.
  std::vector<StepPlan> dispose(BlockReply reply);
  // Whether a result has what its step awaits of its group; true for one that is not awaited.
  bool fits(const StepResult& result) const;
  // CHECKs that the result fits. Every group answers, also one without work, in any order; steps commit in theirs: the
  // last result of the oldest one advances its sequences, and then those of the next if that is complete. A result that
  // is not awaited (other epoch or step, or a second one of its group) yields nothing.
  std::vector<CommittedToken> commit(StepResult result);

  // A new epoch after a fault: the steps in flight are void for all. The groups in `lost` have lost their
  // caches: their sequences are forgotten and returned, in order of arrival, for their owners to submit
  // again, and their pools must be reset to the new generation before they get another request. Sequences of
  // other groups keep their blocks and compute the interrupted steps again. how: if a worker died, those whose rows it
  // had begun are suspects (suspects.hpp); one may be quarantined, and is forgotten, and not among those returned.
  std::vector<SequenceId> start_epoch(Epoch epoch, std::span<const GroupId> lost, const EpochEnd& how = {});
  // By the last call of start_epoch.
  std::optional<SequenceId> quarantined() const { return quarantined_; }
  // That call has left fewer suspects, and since one was found before a step has committed: so it is not any sequence that kills.
  bool search_advanced() const { return search_advanced_; }
  bool suspects() const { return suspects_.any(); }
  // Whether it waits for others, one of which may kill workers; false for unknown ids.
  bool withheld(SequenceId sequence) const;
  // Of a group's cache: the epoch that it began with. So it only
  // grows, also when a new scheduler follows one that died.
  std::uint64_t generation(GroupId group) const { return groups_.at(group).generation(); }

  std::int32_t groups() const { return std::int32_t(groups_.size()); }
  bool idle() const;  // no sequence that could run
  // Whether it had blocks at some time since it was submitted; true for unknown ids.
  bool has_begun(SequenceId sequence) const;
  // Seconds after which whoever has to go may come again; 0: nobody knows.
  std::int32_t retry_after() const;
  std::size_t steps_in_flight() const { return in_flight_.size(); }
  SchedulerStats stats() const;
  std::uint64_t steps_committed() const { return committed_; }
  const SchedulerLimits& limits() const { return limits_; }

 private:
  struct Step {
    StepId id = 0;
    std::int32_t predictions = 0;
    std::vector<std::optional<StepResult>> results;  // by group; none: it is to come
  };

  GroupScheduler* group_of(SequenceId id);
  const GroupScheduler* group_of(SequenceId id) const;
  Waiting waiting_before(const Submission& newcomer) const;
  void measure_drain();
  GroupScheduler& group_for(Sequence& sequence);
  std::vector<StepPlan> plan();
  bool anybody_asked() const;
  void learn(const Step& step);
  const Step* awaiting(const StepResult& result) const;  // null: nobody awaits it
  void note_in_flight(const EpochEnd& how);
  void find_killer(const EpochEnd& how);
  void clear_suspects(const std::vector<CommittedToken>& committed);
  void take_turns();

  SchedulerLimits limits_;
  Epoch epoch_;
  TimePoint now_{};
  std::vector<GroupScheduler> groups_;  // by id
  StepCosts costs_;
  DrainRate drain_;
  Suspects suspects_;
  std::optional<SequenceId> quarantined_;
  bool search_advanced_ = false;
  std::uint64_t committed_at_verdict_ = 0;  // steps
  // Of an epoch that ended, until it is told whether a worker died in it.
  struct Interrupted {
    Epoch epoch = 0;
    StepId first = 0;                               // that was in flight
    std::vector<std::vector<RowsInFlight>> rows{};  // of that one, of it and the next...
  } interrupted_;
  std::vector<bool> asked_;      // by group: its reply is to come
  std::deque<Step> in_flight_;   // the oldest first
  std::uint64_t committed_ = 0;  // steps
  StepId steps_ = 0;             // planned; the last one's id, which no other step of this scheduler gets
  StepId last_in_epoch_ = 0;     // planned; 0: none yet
};

}  // namespace troupe::runtime
