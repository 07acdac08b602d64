#include "runtime/scheduling/step_cost.hpp"

#include <algorithm>
#include <cmath>

namespace troupe::runtime {
namespace {

constexpr double memory = 0.99;  // what a step weighs when the next one has been learned
constexpr double rows_unit = 64, attended_unit = 65536;  // so that the terms are of like size

}  // namespace

StepCost::Terms StepCost::terms_of(const StepWork& work) {
  return {1, work.rows / rows_unit, work.attended / attended_unit};
}

// Errors count by their share of the step: long steps are rare, and short ones must be right, too.
void StepCost::learn(const StepWork& work, double seconds) {
  if (!(seconds > 0) || work.rows <= 0) return;
  const Terms terms = terms_of(work);
  known_ = true;
  const double weight = 1 / (seconds * seconds);
  for (std::size_t i = 0; i < products_.size(); ++i) {
    for (std::size_t j = 0; j < products_.size(); ++j)
      products_[i][j] = memory * products_[i][j] + weight * terms[i] * terms[j];
    targets_[i] = memory * targets_[i] + weight * terms[i] * seconds;
  }
  solve();
}

// By coordinate descent, which keeps each term from being negative: a longer step never takes less. Each row is divided by its
// own term once, and not in every round.
void StepCost::solve() {
  std::array<Terms, terms> shares = products_;
  Terms alone = targets_;
  for (std::size_t i = 0; i < terms; ++i) {
    for (double& each : shares[i]) each /= products_[i][i];
    alone[i] /= products_[i][i];
  }
  for (int round = 0; round < 16; ++round) {
    const Terms before = cost_;
    for (std::size_t i = 0; i < terms; ++i) {
      if (!(products_[i][i] > 0)) continue;
      double rest = alone[i];
      for (std::size_t j = 0; j < terms; ++j)
        if (j != i) rest -= shares[i][j] * cost_[j];
      cost_[i] = std::max(0.0, rest);
    }
    if (cost_ == before) return;  // and so would all further rounds leave it
  }
}

double StepCost::seconds(const StepWork& work) const {
  const Terms terms = terms_of(work);
  double sum = 0;
  for (std::size_t i = 0; i < cost_.size(); ++i) sum += cost_[i] * terms[i];
  return sum;
}

std::int32_t StepCost::rows_within(double limit, const StepWork& work, std::int32_t computed,
                                   std::int32_t most) const {
  std::int32_t fits = 0;
  for (std::int32_t too_many = most + 1; too_many - fits > 1;) {
    const std::int32_t rows = fits + (too_many - fits) / 2;
    (seconds(work + StepWork::of(rows, computed)) <= limit ? fits : too_many) = rows;
  }
  return fits;
}

}  // namespace troupe::runtime
