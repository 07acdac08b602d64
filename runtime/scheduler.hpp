// Decides what each step computes for one attention group. No actors, no model, no clock: serving, the
// simulator and property tests drive the same class. Not thread-safe.
//
//   request = scheduler.propose();  reply = pool.reserve(request);  plan = scheduler.dispose(reply);
//   (the worker runs the plan)      outputs = scheduler.commit(result);
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "runtime/base/error.hpp"
#include "runtime/blocks.hpp"
#include "runtime/policies/policy.hpp"
#include "runtime/step.hpp"

namespace troupe::runtime {

struct SchedulerLimits {
  std::int32_t max_num_batched_tokens = 2048;  // a step
  std::int32_t max_num_seqs = 256;             // that hold blocks at a time
  std::int32_t max_model_len = 4096;           // prompt and output of a sequence
  std::int32_t max_waiting = 1024;             // sequences that hold no blocks; further ones are refused
  std::int32_t block_size = 16;                // tokens
  bool prefix_caching = true;
};

enum class FinishReason : std::uint8_t { none, stop, length };

// What a commit yields for one sequence.
struct CommittedToken {
  SequenceId sequence = 0;
  std::uint64_t output_position = 0;
  SequenceOutput output;
  FinishReason finish = FinishReason::none;  // not none: the scheduler has forgotten the sequence
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, CommittedToken& x) {
  return f(x.sequence, x.output_position, x.output, x.finish);
}

struct SchedulerStats {
  std::int32_t running = 0, waiting = 0;  // now
  std::uint64_t preemptions = 0, steps = 0;
  std::uint64_t prompt_tokens_computed = 0,
                replayed_tokens = 0;  // replayed: output tokens computed again as input
  std::int32_t last_step_sequences = 0, last_step_tokens = 0;
};

class Scheduler {
 public:
  Scheduler(const SchedulerLimits& limits, std::unique_ptr<BatchPolicy> policy, Epoch epoch,
            GroupId group = 0);
  ~Scheduler();

  // Refuses, with the numbers: queue full (unavailable), too long or empty (invalid). CHECKs that the id is
  // new.
  Expected<void> submit(Submission submission);
  // Forgets a sequence wherever it is, in flight too; its blocks go back with the next request. Unknown ids
  // are ignored.
  void cancel(SequenceId sequence);
  // A paused sequence keeps its place and is the first to lose its blocks when others need them.
  void pause(SequenceId sequence);
  void resume(SequenceId sequence);

  // What the pool must hear and grant for the next step. Empty optional: nothing to say, or the last request
  // or step is still unanswered. At most one step is in flight.
  std::optional<BlockRequest> propose();
  // Empty optional: nothing was granted, no step. A reply of another epoch is ignored.
  std::optional<StepPlan> dispose(const BlockReply& reply);
  // Advances the sequences of the step in flight; a result that is not its own (other epoch or step) yields
  // nothing.
  std::vector<CommittedToken> commit(const StepResult& result);

  // A new epoch after a fault: the step in flight is void, and every sequence is forgotten and returned, in
  // order of arrival, for its owner to submit again (a full queue does not refuse these). The pool must be
  // reset with it.
  std::vector<SequenceId> start_epoch(Epoch epoch);

  bool idle() const;  // no sequence that could run
  SchedulerStats stats() const;
  const SchedulerLimits& limits() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace troupe::runtime
