// What simulations found, for people and for machines. Plain functions, any thread.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "launch/simulation/runs.hpp"

namespace troupe::launch::simulation {

// A column for each policy.
std::string table_of(const std::vector<Run>& runs);
std::string table_of(const std::vector<Capacity>& capacities);
std::string explanation_of(const Explained& explained);

// Names are those of troupe bench serve, where it has the figure. schedules: a digest of every step's plan, by seed.
nlohmann::ordered_json json_of(const Run& run);
nlohmann::ordered_json json_of(const Capacity& capacity);

}  // namespace troupe::launch::simulation
