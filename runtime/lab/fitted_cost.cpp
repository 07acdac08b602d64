#include "runtime/lab/fitted_cost.hpp"

#include <algorithm>
#include <cmath>

#include "runtime/base/error.hpp"

namespace troupe::runtime::lab {
namespace {

// A mixture of experts reads more of its weights the more rows there are, until all are read: by so many rows, nearly. One
// number is too few: half of the experts are read sooner than the last of them, and the more rows wait for the same weights
// the less reading counts beside computing.
constexpr std::array<double, 3> rows_that_read = {2, 8, 32};
// Up to about so many rows an arithmetic unit waits for weights, and those beyond take it time of their own.
constexpr std::int32_t rows_for_free = 12;
// So that the terms are of like size.
constexpr double rows_unit = 64, positions_unit = 65536;

constexpr std::array<const char*, 9> term_names{"step", "weights",   "weights", "weights", "rows",
                                                "rows", "attention", "cache",   "sampling"};

}  // namespace

bool MeasuredStep::plausible() const {
  const auto at_least_zero = [](double value) { return std::isfinite(value) && value >= 0; };
  return load.rows >= 0 && load.sequences >= 0 && load.samples >= 0 && load.replica_rows >= 0 &&
         load.predictions >= 0 && at_least_zero(load.attended) && at_least_zero(load.context) &&
         at_least_zero(times.compute_seconds) && at_least_zero(times.prediction_seconds);
}

FittedCost::Terms FittedCost::terms_of(const StepLoad& load) {
  return {1,
          1 - std::exp(-load.replica_rows / rows_that_read[0]),
          1 - std::exp(-load.replica_rows / rows_that_read[1]),
          1 - std::exp(-load.replica_rows / rows_that_read[2]),
          load.rows / rows_unit,
          std::max(0, load.rows - rows_for_free) / rows_unit,
          load.attended / positions_unit,
          load.context / positions_unit,
          load.samples / rows_unit};
}

FittedCost::FittedCost(std::span<const MeasuredStep> steps) {
  std::vector<Terms> rows;
  std::vector<double> seconds;
  double predicting = 0, predicted_over = 0;
  for (const MeasuredStep& each : steps) {
    if (!(each.times.compute_seconds > 0)) continue;
    rows.push_back(terms_of(each.load));
    seconds.push_back(each.times.compute_seconds);
    if (each.load.predictions == 0) continue;
    predicting += each.times.prediction_seconds / each.load.predictions;
    predicted_over += each.times.compute_seconds;
  }
  if (rows.size() < fewest_steps)
    throw Error(std::to_string(rows.size()) + " measured steps are fewer than the " +
                    std::to_string(fewest_steps) + " that a model needs",
                "fitting");
  cost_ = fit(rows, seconds);
  prediction_share_ = predicted_over > 0 ? predicting / predicted_over : 0;
}

// Least squares of relative errors by coordinate descent, which keeps each term from being negative; then once more with
// outliers (a step that something else held up) weighing less.
FittedCost::Terms FittedCost::fit(std::span<const Terms> rows, std::span<const double> seconds) {
  constexpr int rounds = 4, sweeps = 2000;
  constexpr double tolerated = 0.05;  // relative error that still weighs in full
  Terms cost{};
  std::vector<double> weights(rows.size(), 1);
  for (int round = 0; round < rounds; ++round) {
    std::array<Terms, terms> products{};
    Terms targets{};
    for (std::size_t s = 0; s < rows.size(); ++s)
      for (std::size_t i = 0; i < terms; ++i) {
        const double weight = weights[s] / (seconds[s] * seconds[s]);
        for (std::size_t j = 0; j < terms; ++j) products[i][j] += weight * rows[s][i] * rows[s][j];
        targets[i] += weight * rows[s][i] * seconds[s];
      }
    for (int sweep = 0; sweep < sweeps; ++sweep)
      for (std::size_t i = 0; i < terms; ++i) {
        if (!(products[i][i] > 0)) continue;
        double rest = targets[i];
        for (std::size_t j = 0; j < terms; ++j)
          if (j != i) rest -= products[i][j] * cost[j];
        cost[i] = std::max(0.0, rest / products[i][i]);
      }
    for (std::size_t s = 0; s < rows.size(); ++s) {
      double predicted = 0;
      for (std::size_t i = 0; i < terms; ++i) predicted += cost[i] * rows[s][i];
      const double wrong = std::abs(predicted / seconds[s] - 1);
      weights[s] = wrong <= tolerated ? 1 : tolerated / wrong;
    }
  }
  return cost;
}

StepTimes FittedCost::step(const StepLoad& load) const {
  const Terms of = terms_of(load);
  double seconds = 0;
  for (std::size_t i = 0; i < terms; ++i) seconds += cost_[i] * of[i];
  return {seconds, prediction_share_ * seconds * load.predictions};
}

std::vector<CostPart> FittedCost::explain(const StepLoad& load) const {
  const Terms of = terms_of(load);
  std::vector<CostPart> parts;
  for (std::size_t i = 0; i < terms; ++i) {
    if (!parts.empty() && parts.back().name == term_names[i])
      parts.back().seconds += cost_[i] * of[i];
    else
      parts.push_back({term_names[i], cost_[i] * of[i]});
  }
  parts.push_back({"prediction", step(load).prediction_seconds});
  return parts;
}

double FittedCost::error(std::span<const MeasuredStep> steps, double quantile) const {
  std::vector<double> errors;
  for (const MeasuredStep& each : steps)
    if (each.times.compute_seconds > 0)
      errors.push_back(std::abs(step(each.load).compute_seconds / each.times.compute_seconds - 1));
  if (errors.empty()) return 0;
  const auto place = errors.begin() + std::ptrdiff_t(quantile * double(errors.size() - 1));
  std::ranges::nth_element(errors, place);
  return *place;
}

}  // namespace troupe::runtime::lab
