// What a step takes, learned from those that were measured: a constant, so much a row, so much a row and position that it
// attends to, and so much a row whose logits are made. Bounds steps in time and weighs drafts; results never depend on it. Owned by the replica's
// Scheduler; not thread-safe.
#pragma once

#include <array>
#include <cstdint>

namespace troupe::runtime {

// Of one group; of a replica, the most of any.
struct StepWork {
  double rows = 0;
  double attended = 0;  // positions, summed over rows
  double logits = 0;    // rows of a token that is drawn

  // rows of one sequence, behind `computed` tokens; logits: of so many of them.
  static StepWork of(std::int32_t rows, std::int32_t computed, std::int32_t logits = 0) {
    return {double(rows), double(rows) * (computed + (rows + 1) / 2.0), double(logits)};
  }
  StepWork operator+(const StepWork& other) const {
    return {rows + other.rows, attended + other.attended, logits + other.logits};
  }
};

class StepCost {
 public:
  void learn(const StepWork& work, double seconds);
  double seconds(const StepWork& work) const;
  // What one more row of a prompt takes, behind `computed` tokens.
  double row_seconds(std::int32_t computed) const { return seconds(StepWork::of(1, computed)) - seconds({}); }
  std::uint64_t learned() const { return learned_; }  // from so many steps: before the first, it is a guess
  // How many rows of one sequence, behind `computed` tokens, fit into what `work` leaves of the time; at most `most`.
  std::int32_t rows_within(double seconds, const StepWork& work, std::int32_t computed,
                           std::int32_t most) const;

 private:
  static constexpr std::size_t terms = 4;
  using Terms = std::array<double, terms>;
  // Of a least-squares fit: sums over steps of the products of their terms, and of terms times seconds.
  struct Sums {
    std::array<Terms, terms> products{};
    Terms targets{};
    void fade(double memory);
  };
  static Terms terms_of(const StepWork& work);
  void solve();

  // By the size of a step, to a power of two: older steps weigh less, most so if they are of a like size, so that what is
  // known of sizes that seldom come stays longer.
  std::array<Sums, 16> sums_{};
  Terms cost_{0, guess, 0, 0};
  std::uint64_t learned_ = 0;

  static constexpr double guess = 0.064;  // seconds for 64 rows, until something is known
};

// Of the model's own rows, and of one run of its prediction layer over as many.
struct StepCosts {
  StepCost step, prediction;
};

}  // namespace troupe::runtime
