// One replica: the step cycle, the policies and the block pools that serve, before simulated ranks. It has no clock of its own:
// whoever drives it says what time it is, in seconds from the simulation's begin. Not thread-safe.
#pragma once

#include <deque>
#include <span>

#include "runtime/lab/simulated_executor.hpp"
#include "runtime/scheduling/block_pool.hpp"
#include "runtime/scheduling/step_cycle.hpp"

namespace troupe::runtime::lab {

struct ReplicaSettings {
  SchedulerLimits limits{};  // max_model_len is needed
  PolicyFactory make_policy{};
  std::int32_t groups = 1, blocks = 0;  // attention groups, and KV blocks of each
  double acceptance = 0;                // of drafts
  // Seconds from a result, or a newcomer, to the ranks' having the plan that it leads to: messages, and the scheduler's own
  // time. Another step that is in flight meanwhile hides it.
  double turnaround = 0;
  const AnswerWords* words = nullptr;  // outlives the replica; null: token_of
};

// A moment of the simulation for the scheduler; none is that of an unset clock.
TimePoint moment(double seconds);

struct SimulatedStep {
  std::size_t replica = 0;
  double begins = 0, ends = 0;  // seconds
  const std::vector<StepPlan>& plans;
  const std::vector<StepLoad>& loads;  // by group, as the plans
};

class SimulatedReplica {
 public:
  class Owner {  // who hears of what it does
   public:
    virtual ~Owner() = default;
    virtual void planned(const SimulatedStep& step) = 0;
    // Of a step that is over: what was sampled. The next step is not planned yet.
    virtual void committed(std::size_t replica, std::span<const CommittedToken> tokens) = 0;
  };

  // number: which replica it is. cost and owner outlive it. Throws Error for a pool that does not hold one sequence of
  // max_model_len.
  SimulatedReplica(std::size_t number, const ReplicaSettings& settings, const CostModel& cost, Owner& owner);

  void time_is(double seconds);
  Expected<void> submit(Submission submission);

  // When its oldest step ends, or when it serves again after a death; infinity: nothing will happen by itself.
  double next_event() const { return flights_.empty() ? recovered_at_ : flights_.front().ends; }
  void advance();  // lets that happen; its time has come

  // A rank of the group dies: as the supervisor would, an epoch begins when it is back, and until then nothing runs. Steps
  // in flight are void, and so is the group's cache: those of its sequences are returned, oldest first, to be submitted
  // again.
  std::vector<SequenceId> lose(GroupId group, double recovered_at);

  SchedulerStats stats() const { return cycle_.scheduler().stats(); }
  void check_empty() const;  // CHECKs that no block is held

 private:
  struct Flight {
    double ends = 0;
    std::vector<StepResult> results;
  };

  void carry_out(StepCycle::Work work);
  void start_step(const std::vector<StepPlan>& plans);

  std::size_t number_;
  double turnaround_;
  Owner& owner_;
  StepCycle cycle_;
  std::vector<BlockPool> pools_;  // by group, as the executors
  std::vector<SimulatedExecutor> executors_;
  std::deque<Flight> flights_;  // the oldest first
  std::vector<StepLoad> loads_;
  double now_ = 0;
  double free_from_ = 0;     // the ranks
  double recovered_at_ = 0;  // infinity: it serves
};

}  // namespace troupe::runtime::lab
