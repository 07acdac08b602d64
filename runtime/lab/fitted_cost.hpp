// A model of costs from steps that were measured: a sum of terms that each cost at least nothing, fitted to the steps' relative
// errors. Owned by one thread.
#pragma once

#include <array>
#include <span>

#include "runtime/lab/cost_model.hpp"

namespace troupe::runtime::lab {

struct MeasuredStep {
  StepLoad load{};
  StepTimes times{};
  bool plausible() const;  // no number of it is below zero, or none
};
template <class Archive>
void serialize(Archive& archive, MeasuredStep& x) {
  archive(x.load.rows, x.load.sequences, x.load.samples, x.load.attended, x.load.context, x.load.replica_rows,
          x.load.predictions, x.times.compute_seconds, x.times.prediction_seconds);
}

class FittedCost final : public CostModel {
 public:
  // Throws Error for fewer than fewest_steps that took any time.
  explicit FittedCost(std::span<const MeasuredStep> steps);

  StepTimes step(const StepLoad& load) const override;
  std::vector<CostPart> explain(const StepLoad& load) const override;

  // Of the predicted times, relative to the measured ones: what is not exceeded by that share of the steps.
  double error(std::span<const MeasuredStep> steps, double quantile) const;

  static constexpr std::size_t fewest_steps = 16;

 private:
  static constexpr std::size_t terms = 9;
  using Terms = std::array<double, terms>;
  static Terms terms_of(const StepLoad& load);
  static Terms fit(std::span<const Terms> rows, std::span<const double> seconds);

  Terms cost_{};                 // seconds of each term
  double prediction_share_ = 0;  // of a step's time, that one run of the prediction layer takes
};

}  // namespace troupe::runtime::lab
