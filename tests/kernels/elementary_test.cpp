#include "kernels/elementary.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace troupe::kernels {
namespace {

constexpr double tolerance = 1e-14;

double relative_error(double value, long double exact) {
  return double(std::abs((value - exact) / exact));
}

TEST(Elementary, AgreesWithLongDoubleLibm) {
  std::mt19937_64 bits(1);
  std::uniform_real_distribution<double> angle(-1e6, 1e6), exponent(-700, 700), magnitude(-300, 300);
  for (int i = 0; i < 100'000; ++i) {
    const double x = i % 2 ? angle(bits) : angle(bits) * 1e-6 * (i % 10);
    if (x == 0) continue;
    ASSERT_LT(relative_error(elementary::sin(x), std::sin((long double)x)), tolerance) << x;
    ASSERT_LT(relative_error(elementary::cos(x), std::cos((long double)x)), tolerance) << x;
    const double e = exponent(bits);
    ASSERT_LT(relative_error(elementary::exp(e), std::exp((long double)e)), tolerance) << e;
    const double p = i % 2 ? std::pow(10, magnitude(bits)) : 1 + angle(bits) * 1e-7;
    ASSERT_NE(p, 1);
    ASSERT_LT(relative_error(elementary::log(p), std::log((long double)p)), tolerance) << p;
  }
}

// Near multiples of pi/2 most of the digits cancel.
TEST(Elementary, SineAndCosineKeepTheirDigitsNearTheirZeros) {
  for (int n = 1; n < 600'000; n += 997) {
    const double x = n * 1.5707963267948966;
    const double value = n % 2 ? elementary::cos(x) : elementary::sin(x);
    ASSERT_LT(relative_error(value, n % 2 ? std::cos((long double)x) : std::sin((long double)x)), tolerance)
        << n;
  }
}

TEST(Elementary, FrequenciesOfRotaryEmbeddings) {
  for (const double base : {1e4, 5e5, 1e7})
    for (int i = 0; i < 128; i += 2)
      ASSERT_LT(relative_error(elementary::pow(base, -i / 128.0), std::pow((long double)base, -i / 128.0L)),
                tolerance);
}

TEST(Elementary, EndsOfTheRange) {
  EXPECT_EQ(elementary::exp(-746), 0);
  EXPECT_EQ(elementary::exp(0), 1);
  EXPECT_TRUE(std::isinf(elementary::exp(710)));
  EXPECT_TRUE(std::isnan(elementary::exp(NAN)));
  EXPECT_NEAR(elementary::exp(-744) / std::exp(-744.0), 1, 0.2);  // a subnormal of two bits
  EXPECT_EQ(elementary::log(1), 0);
  EXPECT_NEAR(elementary::log(5e-324), std::log(5e-324), 1e-11);
  EXPECT_EQ(elementary::sin(0), 0);
  EXPECT_EQ(elementary::cos(0), 1);
}

TEST(ElementaryDeathTest, ArgumentsOutOfRangeStop) {
  EXPECT_DEATH(elementary::log(0), "log out of range");
  EXPECT_DEATH(elementary::sin(1e7), "out of range");
}

}  // namespace
}  // namespace troupe::kernels
