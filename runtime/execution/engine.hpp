// The whole engine of one attention group on one thread: schedule, run, commit. `troupe generate`, benches
// and tests drive it; serving has the same parts, spread over actors. Not thread-safe.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "runtime/execution/executor.hpp"
#include "runtime/scheduling/block_pool.hpp"
#include "runtime/scheduling/scheduler.hpp"

namespace troupe::runtime {

class Engine {
 public:
  // blocks: of the executor's KV storage, enough for one sequence of max_model_len. executor outlives it.
  Engine(const SchedulerLimits& limits, std::unique_ptr<BatchPolicy> policy, std::int32_t blocks,
         Executor& executor);

  Expected<void> submit(Submission submission) { return scheduler_.submit(std::move(submission)); }
  void cancel(SequenceId sequence) { scheduler_.cancel(sequence); }
  void pause(SequenceId sequence) { scheduler_.pause(sequence); }
  void resume(SequenceId sequence) { scheduler_.resume(sequence); }

  // Computes one step, if there is something to compute; the next one is planned by then, as in serving, unless
  // max_steps_in_flight is 1. Throws what the executor throws; start_epoch is the way on then.
  std::vector<CommittedToken> step();
  bool idle() const { return scheduler_.idle(); }

  // The KV storage is void: returns the sequences that were there, to be submitted again with what they had
  // produced.
  std::vector<SequenceId> start_epoch();

  SchedulerStats stats() const { return scheduler_.stats(); }
  PoolUsage usage() const { return pool_.usage(); }

 private:
  Epoch epoch_ = 1;
  Scheduler scheduler_;
  BlockPool pool_;
  Executor& executor_;
  std::deque<StepPlan> planned_;  // the oldest first
};

}  // namespace troupe::runtime
