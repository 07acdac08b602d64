// Simulations as pictures. Plain function, any thread.
#pragma once

#include <string>
#include <vector>

#include "launch/simulation/runs.hpp"

namespace troupe::launch::simulation {

// heading: what was simulated. runs: by policy, with their steps. loads: by policy and then by rate. Latency against load,
// distributions of latencies, and steps one by one. svg: else HTML, with the table of runs.
std::string plot_of(const std::string& heading, const std::vector<Run>& runs, const std::vector<Run>& loads,
                    bool svg);

}  // namespace troupe::launch::simulation
