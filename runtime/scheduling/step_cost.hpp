// What a step takes, learned from those that were measured: a constant, so much a row, and so much a row and position that it
// attends to. Bounds steps in time and weighs drafts; results never depend on it. Owned by the replica's
// Scheduler; not thread-safe.
#pragma once

#include <array>
#include <cstdint>

namespace troupe::runtime {

// Of one group; of a replica, the most of any.
struct StepWork {
  double rows = 0;
  double attended = 0;  // positions, summed over rows

  // rows of one sequence, behind `computed` tokens.
  static StepWork of(std::int32_t rows, std::int32_t computed) {
    return {double(rows), double(rows) * (computed + (rows + 1) / 2.0)};
  }
  StepWork operator+(const StepWork& other) const { return {rows + other.rows, attended + other.attended}; }
};

class StepCost {
 public:
  void learn(const StepWork& work, double seconds);
  double seconds(const StepWork& work) const;
  bool known() const { return known_; }  // something was learned: before, it is a guess
  // How many rows of one sequence, behind `computed` tokens, fit into what `work` leaves of the time; at most `most`.
  std::int32_t rows_within(double seconds, const StepWork& work, std::int32_t computed,
                           std::int32_t most) const;

 private:
  static constexpr std::size_t terms = 3;
  using Terms = std::array<double, terms>;
  static Terms terms_of(const StepWork& work);
  void solve();

  // Least squares over the steps so far, older ones weighing less, beginning with a guess of little weight.
  std::array<Terms, terms> products_{{{1e-3, 0, 0}, {0, 1e-3, 0}, {0, 0, 1e-3}}};
  Terms targets_{0, 1e-3 * guess, 0};
  Terms cost_{0, guess, 0};
  bool known_ = false;

  static constexpr double guess = 0.064;  // seconds for 64 rows, until something is known
};

// Of the model's own rows, and of one run of its prediction layer over as many.
struct StepCosts {
  StepCost step, prediction;
};

}  // namespace troupe::runtime
