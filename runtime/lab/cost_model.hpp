// What a step takes, in place of the machine that would compute it. Called by one thread at a time.
#pragma once

#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "runtime/scheduling/step.hpp"
#include "runtime/scheduling/step_cost.hpp"

namespace troupe::runtime::lab {

// What one group computes in a step.
struct StepLoad {
  std::int32_t rows = 0, sequences = 0, samples = 0;
  double attended = 0;            // positions, summed over rows
  double context = 0;             // positions whose cache is read, of each sequence once
  std::int32_t replica_rows = 0;  // of all groups: whole experts serve them together
  std::int32_t predictions = 0;   // runs of the prediction layer

  static StepLoad of(const StepPlan& plan) {  // but for its parts
    return {.replica_rows = std::accumulate(plan.group_rows.begin(), plan.group_rows.end(), 0),
            .predictions = plan.predictions};
  }
  // computed: tokens of the sequence that are in the cache already.
  void add(const Extend& part, std::int32_t computed) {
    ++sequences;
    rows += part.rows;
    samples += part.samples ? 1 + part.drafts : 0;
    attended += StepWork::of(part.rows, computed).attended;
    context += computed + part.rows;
  }
};

struct CostPart {
  std::string name;
  double seconds = 0;
};

class CostModel {
 public:
  virtual ~CostModel() = default;
  virtual StepTimes step(const StepLoad& load) const = 0;
  // Where those seconds go; they add up to them.
  virtual std::vector<CostPart> explain(const StepLoad& load) const = 0;
};

// So much a step, a row, and a row and position that it attends to: what the scheduler itself expects of steps.
class LinearCost final : public CostModel {
 public:
  LinearCost(double step, double row, double position) : step_(step), row_(row), position_(position) {}

  StepTimes step(const StepLoad& load) const override {
    return {step_ + row_ * load.rows + position_ * load.attended, row_ * load.rows * load.predictions};
  }
  std::vector<CostPart> explain(const StepLoad& load) const override {
    return {{"step", step_},
            {"rows", row_ * load.rows},
            {"attention", position_ * load.attended},
            {"prediction", row_ * load.rows * load.predictions}};
  }

 private:
  double step_, row_, position_;  // seconds
};

// Steps of another model, each with what its ranks do besides: take its plan, hand its result over.
class ServedCost final : public CostModel {
 public:
  // overhead: seconds of a step; at least 0.
  ServedCost(std::unique_ptr<CostModel> steps, double overhead)
      : steps_(std::move(steps)), overhead_(overhead) {}

  StepTimes step(const StepLoad& load) const override {
    StepTimes times = steps_->step(load);
    times.compute_seconds += overhead_;
    return times;
  }
  std::vector<CostPart> explain(const StepLoad& load) const override {
    std::vector<CostPart> parts = steps_->explain(load);
    if (overhead_ > 0) parts.push_back({"overhead", overhead_});
    return parts;
  }

 private:
  std::unique_ptr<CostModel> steps_;
  double overhead_;
};

}  // namespace troupe::runtime::lab
