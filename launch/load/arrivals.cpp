#include "launch/load/arrivals.hpp"

#include <random>

namespace troupe::launch::load {

std::vector<double> gamma_arrivals(std::int32_t count, double request_rate, double burstiness,
                                   std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::gamma_distribution<double> gap(burstiness, 1 / (request_rate * burstiness));
  std::vector<double> arrivals;
  double at = 0;
  for (std::int32_t i = 0; i < count; ++i) arrivals.push_back(at += gap(random));
  if (at == 0) return arrivals;
  for (double& each : arrivals) each *= count / request_rate / at;
  return arrivals;
}

}  // namespace troupe::launch::load
