#include "kernels/elementary.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>

#include "runtime/base/error.hpp"

namespace troupe::kernels::elementary {
namespace {

// A constant in parts whose first ones have trailing zero bits, so that a product with a whole number is
// exact (Cody and Waite).
constexpr double ln2_high = 0x1.62e42fee00000p-1, ln2_low = 0x1.a39ef35793c76p-33;
constexpr double half_pi_high = 0x1.921fb54400000p+0, half_pi_middle = 0x1.0b4611a600000p-34,
                 half_pi_low = 0x1.3198a2e037073p-69;

double power_of_two(int n) {  // -1022 <= n <= 1023
  return std::bit_cast<double>(std::uint64_t(n + 1023) << 52);
}

// x = quarters * pi/2 + high + low, |high| <= pi/4.
struct Reduced {
  std::int64_t quarters;
  double high, low;
};

Reduced reduce(double x) {
  CHECK(std::abs(x) <= 1e6, "argument of sin or cos out of range");
  const double n = std::nearbyint(x / (half_pi_high + half_pi_middle));
  const double a = x - n * half_pi_high;  // exact: 20 + 33 bits
  const double b = n * half_pi_middle;    // exact
  const double high = a - b;
  const double lost = (a - high) - b;  // what rounding took from high
  return {std::int64_t(n), high, lost - n * half_pi_low};
}

// Taylor series around 0, |x| <= pi/4; the first term left out is below 1e-17 of the result. low moves the
// argument by its derivative.
double sin_series(double x, double low) {
  const double y = x * x;
  double sum = 0;
  for (int k = 19; k >= 3; k -= 2) sum = (1 - sum) * y / double(k * (k - 1));
  return x - (x * sum - low * (1 - y / 2));
}

double cos_series(double x, double low) {
  const double y = x * x;
  double sum = 0;
  for (int k = 20; k >= 4; k -= 2) sum = (1 - sum) * y / double(k * (k - 1));
  return 1 - (y / 2 * (1 - sum) + x * low);
}

}  // namespace

double exp(double x) {
  if (std::isnan(x)) return x;
  if (x < -745) return 0;
  if (x > 709.78) return std::numeric_limits<double>::infinity();
  const int n = int(std::nearbyint(x / (ln2_high + ln2_low)));
  const double r = (x - n * ln2_high) - n * ln2_low;
  double sum = 0;  // exp(r) - 1, by Horner: r (1 + r/2 (1 + r/3 (...)))
  for (int k = 14; k >= 1; --k) sum = r / k * (1 + sum);
  const int half = n / 2;  // in two steps, since 2^1024 and 2^-1074 are no normal numbers
  return (1 + sum) * power_of_two(half) * power_of_two(n - half);
}

double log(double x) {
  CHECK(x > 0 && std::isfinite(x), "argument of log out of range");
  int exponent = 0;
  double m = std::frexp(x, &exponent);  // [0.5, 1)
  if (m < 0.70710678118654752) {
    m *= 2;
    --exponent;
  }
  // log(m) = 2 atanh(s) = 2 (s + s^3/3 + s^5/5 + ...), s = (m - 1) / (m + 1), |s| < 0.172
  const double s = (m - 1) / (m + 1), y = s * s;
  double sum = 0;
  for (int k = 21; k >= 3; k -= 2) sum = y * (1.0 / k + sum);
  return exponent * ln2_high + (exponent * ln2_low + 2 * s * sum + 2 * s);
}

double sin(double x) {
  const Reduced r = reduce(x);
  const double value = r.quarters % 2 == 0 ? sin_series(r.high, r.low) : cos_series(r.high, r.low);
  return (r.quarters & 2) ? -value : value;
}

double cos(double x) {
  const Reduced r = reduce(x);
  const double value = r.quarters % 2 == 0 ? cos_series(r.high, r.low) : sin_series(r.high, r.low);
  return ((r.quarters + 1) & 2) ? -value : value;
}

double pow(double base, double exponent) {
  return exp(exponent * log(base));
}

}  // namespace troupe::kernels::elementary
