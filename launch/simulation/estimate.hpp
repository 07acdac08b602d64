// What several runs say of a figure. Plain function, any thread.
#pragma once

#include <span>

namespace troupe::launch::simulation {

struct Estimate {
  double mean = 0, half_width = 0;  // of the 95 % confidence interval; 0 for one value
};

// values: at least one. As if they were drawn from a normal distribution, of which nothing else is known (Student, "The
// Probable Error of a Mean", Biometrika 6(1), 1908).
Estimate estimate(std::span<const double> values);

}  // namespace troupe::launch::simulation
