// Decisions, taken from a list, so that RapidCheck can shrink it and a seed can be played again. When it is spent, all
// decisions are 0. Not thread-safe.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace troupe::runtime::lab {

class Chance {
 public:
  explicit Chance(std::vector<std::uint32_t> source) : source_(std::move(source)) {}
  // From a few decisions to many.
  static Chance of_seed(std::uint64_t seed) {
    std::mt19937 random{std::uint32_t(seed ^ seed >> 32)};
    std::vector<std::uint32_t> source(100 + random() % 1200);
    for (std::uint32_t& each : source) each = std::uint32_t(random());
    return Chance(std::move(source));
  }

  bool spent() const { return next_ == source_.size(); }
  std::int32_t below(std::int32_t end) {
    return spent() ? 0 : std::int32_t(source_[next_++] % std::uint32_t(end));
  }
  std::int32_t between(std::int32_t first, std::int32_t last) { return first + below(last - first + 1); }

 private:
  std::vector<std::uint32_t> source_;
  std::size_t next_ = 0;
};

}  // namespace troupe::runtime::lab
