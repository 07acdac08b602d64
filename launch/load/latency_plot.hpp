// A run as one HTML file that needs nothing else. Plain function, any thread.
#pragma once

#include <string>

#include "launch/load/serving_report.hpp"

namespace troupe::launch::load {

// The table, and of each kind of time which part of the requests (of tokens, for ITL) took no longer.
std::string plot_of(const ServingRun& run);

}  // namespace troupe::launch::load
