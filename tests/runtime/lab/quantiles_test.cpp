#include "runtime/lab/quantiles.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace troupe::runtime::lab {
namespace {

TEST(Quantiles, OfNothingAreZero) {
  EXPECT_EQ(Quantiles().at(0.5), 0);
  EXPECT_EQ(Quantiles().mean(), 0);
}

RC_GTEST_PROP(Quantiles, AreThoseOfTheSortedValuesWithinHalfAPercent, ()) {
  auto drawn =
      *rc::gen::nonEmpty(rc::gen::container<std::vector<std::uint32_t>>(rc::gen::inRange(0u, 1u << 30)));
  std::vector<double> values;
  Quantiles quantiles;
  for (std::uint32_t each : drawn) {
    values.push_back(each * 1e-5);
    quantiles.add(values.back());
  }
  std::ranges::sort(values);
  for (double q : {0.0, 0.5, 0.9, 0.99, 1.0}) {
    const double exact = values[std::size_t(q * double(values.size() - 1))];
    RC_ASSERT(std::abs(quantiles.at(q) - exact) <= 0.00501 * exact + 1e-6);
  }
  RC_ASSERT(quantiles.count() == values.size());
  RC_ASSERT(quantiles.largest() == values.back());
}

}  // namespace
}  // namespace troupe::runtime::lab
