#include "runtime/lab/step_recorder.hpp"

namespace troupe::runtime::lab {

StepResult StepRecorder::execute(const StepPlan& plan) {
  for (SequenceId id : plan.forget) computed_.erase(id);
  for (const Begin& begin : plan.begin) computed_[begin.sequence] = begin.computed;
  MeasuredStep step{.load = StepLoad::of(plan)};
  for (const Extend& part : plan.extend) {
    std::int32_t& computed = computed_[part.sequence];
    step.load.add(part, computed);
    computed += part.rows - part.drafts;
  }
  StepResult result = executor_.execute(plan);
  for (const SequenceOutput& output : result.outputs)
    computed_[output.sequence] += std::int32_t(output.sampled.size()) - 1;  // drafts that were right
  step.times = result.times;
  steps_.push_back(step);
  return result;
}

}  // namespace troupe::runtime::lab
