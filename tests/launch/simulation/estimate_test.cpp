#include "launch/simulation/estimate.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace troupe::launch::simulation {
namespace {

// Tables of Student's t: 12.706 with one degree of freedom, 2.262 with nine.
TEST(Estimate, IsOfStudentsDistribution) {
  const std::vector<double> two{1, 3};
  EXPECT_EQ(estimate(two).mean, 2);
  EXPECT_NEAR(estimate(two).half_width, 12.706 * std::sqrt(2.0) / std::sqrt(2.0), 1e-3);
  std::vector<double> ten;
  for (int i = 0; i < 10; ++i) ten.push_back(1e9 + i);  // the mean takes no digits from the difference
  EXPECT_NEAR(estimate(ten).half_width, 2.262 * std::sqrt(82.5 / 9 / 10), 1e-3);
}

TEST(Estimate, OneValueHasNoInterval) {
  const std::vector<double> one{5};
  EXPECT_EQ(estimate(one).mean, 5);
  EXPECT_EQ(estimate(one).half_width, 0);
}

TEST(Estimate, HoldsTheMeanNineteenTimesOutOfTwenty) {
  std::mt19937 random(1);
  std::normal_distribution<double> value(10, 3);
  int held = 0;
  constexpr int rounds = 4000;
  for (int i = 0; i < rounds; ++i) {
    std::vector<double> values(4);
    for (double& each : values) each = value(random);
    const Estimate found = estimate(values);
    held += std::abs(found.mean - 10) <= found.half_width;
  }
  EXPECT_NEAR(held, 0.95 * rounds, 0.015 * rounds);
}

}  // namespace
}  // namespace troupe::launch::simulation
