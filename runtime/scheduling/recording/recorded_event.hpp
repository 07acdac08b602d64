// The events of a step cycle as a file keeps them: no text. Of tokens there are numbers, and names of full blocks, which are
// equal where all tokens up to the block's end are; they depend on a key that nobody keeps. Plain values.
#pragma once

#include <variant>
#include <vector>

#include "runtime/scheduling/cycle_events.hpp"
#include "runtime/scheduling/packed.hpp"

namespace troupe::runtime {

using BlockName = std::uint64_t;  // never 0

template <class Inspector>
void inspect(Inspector& f, SchedulerLimits& x) {
  std::int64_t step_time = x.max_step_time.count();
  f(x.max_num_batched_tokens, step_time, x.max_num_seqs, x.max_model_len, x.max_steps_in_flight,
    x.speculation, x.max_waiting, x.max_waiting_tokens, x.max_waiting_per_caller,
    x.max_waiting_tokens_per_caller, x.block_size, x.prefix_caching);
  x.max_step_time = std::chrono::milliseconds(step_time);
}
template <class Inspector>
void inspect(Inspector& f, CycleBegan& x) {
  f(x.limits, x.groups, x.epoch, x.policy);
}
template <class Inspector>
void inspect(Inspector& f, PolicyChanged& x) {
  f(x.policy);
}
template <class Inspector>
void inspect(Inspector& f, EpochBegan& x) {
  f(x.epoch);
}
template <class Inspector>
void inspect(Inspector& f, EpochEnded& x) {
  f(x.next, x.lost, x.how);
}
template <class Inspector>
void inspect(Inspector& f, SequenceTold& x) {
  f(x.sequence, x.news);
}
template <class Inspector>
void inspect(Inspector& f, BlocksReplied& x) {
  f(x.group, x.generation, x.total_blocks, x.asked_in);
}

struct RecordedSubmission {
  SequenceId sequence = 0;
  std::int32_t tokens = 0, prompt_tokens = 0, max_output_tokens = 0;
  std::int32_t priority = 0;
  std::uint64_t arrival = 0, caller = 0;
  std::int64_t arrived = 0;  // nanoseconds, as RecordedEvent::time; only if `timed`
  bool timed = false;
  ServiceLevels slo{};
  std::int32_t predicted_output = 0;
  bool urgent = false;  // it had to begin by some time
  bool resubmitted = false, held = false, accepted = true, wants_prompt_logprobs = false;
  std::vector<BlockName> blocks{};  // full ones, from the start; none without a prefix cache
};
template <class Inspector>
void inspect(Inspector& f, RecordedSubmission& x) {
  f(x.sequence, x.tokens, x.prompt_tokens, x.max_output_tokens, x.priority, x.arrival, x.caller, x.arrived,
    x.timed, x.slo, x.predicted_output, x.urgent, x.resubmitted, x.held, x.accepted, x.wants_prompt_logprobs,
    x.blocks);
}

enum class RecordedEnd : std::uint8_t { none, stop, error };
struct RecordedOutput {
  SequenceId sequence = 0;
  std::int32_t sampled = 0, forced = 0;
  RecordedEnd end = RecordedEnd::none;  // what the token after `before_end` others does
  std::int32_t before_end = 0;
};
template <class Inspector>
void inspect(Inspector& f, RecordedOutput& x) {
  f(x.sequence, x.sampled, x.forced, x.end, x.before_end);
}

struct NamedBlock {  // that is full since then
  SequenceId sequence = 0;
  std::int32_t index = 0;
  BlockName name = 0;
};
template <class Inspector>
void inspect(Inspector& f, NamedBlock& x) {
  f(x.sequence, x.index, x.name);
}

struct RecordedResult {
  Epoch epoch = 0;
  StepId step = 0;
  GroupId group = 0;
  StepTimes times{};
  std::vector<RecordedOutput> outputs{};
  std::vector<NamedBlock> named{};
};
template <class Inspector>
void inspect(Inspector& f, RecordedResult& x) {
  f(x.epoch, x.step, x.group, x.times, x.outputs, x.named);
}

// Of StepPlan's parts all but tokens, which are counted.
struct RecordedBegin {
  SequenceId sequence = 0;
  std::int32_t tokens = 0, prompt_tokens = 0, computed = 0;
  std::vector<BlockId> blocks{};
};
template <class Inspector>
void inspect(Inspector& f, RecordedBegin& x) {
  f(x.sequence, x.tokens, x.prompt_tokens, x.computed, x.blocks);
}
struct RecordedExtend {
  SequenceId sequence = 0;
  std::int32_t tokens = 0, rows = 0, drafts = 0;
  bool samples = false;
  std::vector<BlockId> blocks{};
};
template <class Inspector>
void inspect(Inspector& f, RecordedExtend& x) {
  f(x.sequence, x.tokens, x.rows, x.drafts, x.samples, x.blocks);
}
struct RecordedPlan {  // of a group
  Epoch epoch = 0;
  StepId step = 0, after = 0;
  GroupId group = 0;
  std::int32_t predictions = 0;
  std::vector<SequenceId> forget{};
  std::vector<RecordedBegin> begin{};
  std::vector<RecordedExtend> extend{};
};
template <class Inspector>
void inspect(Inspector& f, RecordedPlan& x) {
  f(x.epoch, x.step, x.after, x.group, x.predictions, x.forget, x.begin, x.extend);
}
struct RecordedStep {
  std::vector<RecordedPlan> plans{};  // by group
};
template <class Inspector>
void inspect(Inspector& f, RecordedStep& x) {
  f(x.plans);
}
RecordedStep without_text(const StepPlanned& step);

struct RecordedEvent {
  using What = std::variant<CycleBegan, PolicyChanged, EpochBegan, EpochEnded, RecordedSubmission,
                            SequenceTold, BlocksReplied, RecordedResult, RecordedStep>;
  std::int64_t time = 0;  // nanoseconds since the recording began
  What what{};
};
template <class Inspector>
void inspect(Inspector& f, RecordedEvent& x) {
  f(x.time, x.what);
}

template <class T>
std::string packed_bytes(const T& value) {
  std::string bytes;
  PackedWriter writer(bytes);
  writer(value);
  return bytes;
}

}  // namespace troupe::runtime
