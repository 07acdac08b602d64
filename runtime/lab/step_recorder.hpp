// Notes what each step of an executor had to do and how long it took, for a model of costs. Not thread-safe.
#pragma once

#include <unordered_map>
#include <vector>

#include "runtime/execution/executor.hpp"
#include "runtime/lab/fitted_cost.hpp"

namespace troupe::runtime::lab {

class StepRecorder final : public Executor {
 public:
  // executor outlives it, and gets no steps but by way of it.
  explicit StepRecorder(Executor& executor) : executor_(executor) {}
  StepResult execute(const StepPlan& plan) override;
  const std::vector<MeasuredStep>& steps() const { return steps_; }

 private:
  Executor& executor_;
  std::unordered_map<SequenceId, std::int32_t> computed_;  // tokens in the cache
  std::vector<MeasuredStep> steps_;
};

}  // namespace troupe::runtime::lab
