// Quantiles of values that come one by one, within half a percent, in the same memory however many they are: counts by
// logarithm (Masson, Rim and Lee, "DDSketch", VLDB 2019). Owned by one thread.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace troupe::runtime::lab {

class Quantiles {
 public:
  // At least 0; what is less than a microsecond counts as 0 where values are seconds.
  void add(double value) {
    ++count_;
    sum_ += value;
    largest_ = std::max(largest_, value);
    const std::size_t at = bucket_of(value);
    if (at >= buckets_.size()) buckets_.resize(at + 1);
    ++buckets_[at];
  }

  // 0 without values. q: from 0 to 1.
  double at(double q) const {
    auto rank = std::uint64_t(q * double(count_ - (count_ > 0)));
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
      if (rank < buckets_[i]) return i == 0 ? 0 : std::min(value_of(i), largest_);
      rank -= buckets_[i];
    }
    return 0;
  }

  std::uint64_t count() const { return count_; }
  double mean() const { return count_ == 0 ? 0 : sum_ / double(count_); }
  double largest() const { return largest_; }

 private:
  static constexpr double smallest = 1e-6, growth = 1.01;

  static std::size_t bucket_of(double value) {
    if (!(value > smallest)) return 0;
    static const double scale = 1 / std::log(growth);
    return 1 + std::size_t(std::log(std::min(value, 1e12) / smallest) * scale);
  }
  static double value_of(std::size_t bucket) {  // its middle
    return smallest * std::pow(growth, double(bucket) - 0.5);
  }

  std::uint64_t count_ = 0;
  double sum_ = 0, largest_ = 0;
  std::vector<std::uint64_t> buckets_;
};

}  // namespace troupe::runtime::lab
