#include "runtime/scheduling/step_cost.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace troupe::runtime {
namespace {

// What a step weighs when the next one has been learned, and when that is of a like size.
constexpr double memory = 0.995, memory_of_size = 0.99;
constexpr double rows_unit = 64, attended_unit = 65536;  // so that the terms are of like size

}  // namespace

StepCost::Terms StepCost::terms_of(const StepWork& work) {
  return {1, work.rows / rows_unit, work.attended / attended_unit, work.logits / rows_unit};
}

void StepCost::Sums::fade(double memory) {
  for (Terms& each : products)
    for (double& product : each) product *= memory;
  for (double& target : targets) target *= memory;
}

// Errors count by their share of the step: long steps are rare, and short ones must be right, too.
void StepCost::learn(const StepWork& work, double seconds) {
  if (!(seconds > 0) || work.rows <= 0) return;
  const Terms terms = terms_of(work);
  ++learned_;
  const double weight = 1 / (seconds * seconds);
  for (Sums& each : sums_) each.fade(memory);
  Sums& sums = sums_[std::min(std::size_t(std::bit_width(std::uint64_t(work.rows))), sums_.size() - 1)];
  sums.fade(memory_of_size / memory);
  for (std::size_t i = 0; i < terms.size(); ++i) {
    for (std::size_t j = 0; j < terms.size(); ++j) sums.products[i][j] += weight * terms[i] * terms[j];
    sums.targets[i] += weight * terms[i] * seconds;
  }
  solve();
}

// By coordinate descent, which keeps each term from being negative: a longer step never takes less. Each row is divided by its
// own term once, and not in every round. A guess of little weight stands for what no step has told.
void StepCost::solve() {
  constexpr double little = 1e-3;
  std::array<Terms, terms> shares{};
  Terms alone{0, little * guess, 0, 0};
  for (std::size_t i = 0; i < terms; ++i) shares[i][i] = little;
  for (const Sums& sums : sums_)
    for (std::size_t i = 0; i < terms; ++i) {
      for (std::size_t j = 0; j < terms; ++j) shares[i][j] += sums.products[i][j];
      alone[i] += sums.targets[i];
    }
  for (std::size_t i = 0; i < terms; ++i) {
    const double own = shares[i][i];
    for (double& each : shares[i]) each /= own;
    alone[i] /= own;
  }
  for (int round = 0; round < 16; ++round) {
    const Terms before = cost_;
    for (std::size_t i = 0; i < terms; ++i) {
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
