// When ranks die: a Poisson process, of which each death takes one of them with equal probability. Owned by one thread.
#pragma once

#include <cstdint>
#include <limits>
#include <random>

namespace troupe::runtime::lab {

class Failures {
 public:
  // per_hour: of all of them together; 0: nobody dies. ranks: at least 1.
  Failures(double per_hour, std::int32_t ranks, std::uint64_t seed)
      : gap_(per_hour / seconds_of_an_hour), ranks_(ranks), random_(seed) {
    draw(0);
  }

  // Seconds from the simulation's begin; infinity: nobody dies any more.
  double next() const { return next_; }
  // Who dies then, counted from 0; the next death is drawn.
  std::int32_t take() {
    draw(next_);
    return std::int32_t(random_() % std::uint64_t(ranks_));
  }

 private:
  static constexpr double seconds_of_an_hour = 3600;

  void draw(double after) {
    next_ = gap_ > 0 ? after + std::exponential_distribution<double>(gap_)(random_)
                     : std::numeric_limits<double>::infinity();
  }

  double gap_;  // deaths a second
  std::int32_t ranks_;
  std::mt19937_64 random_;
  double next_ = 0;
};

}  // namespace troupe::runtime::lab
