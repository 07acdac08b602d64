#include "launch/simulation/estimate.hpp"

#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <numeric>

namespace troupe::launch::simulation {

Estimate estimate(std::span<const double> values) {
  constexpr double confidence = 0.95;
  const auto n = double(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  if (values.size() < 2) return {mean, 0};
  double squares = 0;
  for (double each : values) squares += (each - mean) * (each - mean);
  const boost::math::students_t_distribution<double> t(n - 1);
  return {mean, quantile(t, (1 + confidence) / 2) * std::sqrt(squares / (n - 1) / n)};
}

}  // namespace troupe::launch::simulation
