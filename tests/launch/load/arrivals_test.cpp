#include "launch/load/arrivals.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace troupe::launch::load {
namespace {

// Variance of the gaps over their squared mean: 1 / burstiness for a gamma distribution.
double irregularity(const std::vector<double>& arrivals) {
  const double mean = arrivals.back() / double(arrivals.size());
  double squares = 0, before = 0;
  for (const double each : arrivals) {
    squares += std::pow(each - before - mean, 2);
    before = each;
  }
  return squares / double(arrivals.size()) / (mean * mean);
}

TEST(Arrivals, KeepTheRateAndTheSeed) {
  const auto arrivals = gamma_arrivals(1000, 50, 1, 7);
  ASSERT_EQ(arrivals.size(), 1000u);
  EXPECT_NEAR(arrivals.back(), 20, 1e-9);
  EXPECT_TRUE(std::is_sorted(arrivals.begin(), arrivals.end()));
  EXPECT_EQ(arrivals, gamma_arrivals(1000, 50, 1, 7));
  EXPECT_NE(arrivals, gamma_arrivals(1000, 50, 1, 8));
}

TEST(Arrivals, BurstinessIsTheShape) {
  for (const double burstiness : {0.25, 1.0, 4.0})
    EXPECT_NEAR(irregularity(gamma_arrivals(20000, 10, burstiness, 1)) * burstiness, 1, 0.1) << burstiness;
}

}  // namespace
}  // namespace troupe::launch::load
