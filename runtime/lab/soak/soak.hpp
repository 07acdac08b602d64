// What a seed makes a policy live through: a scheduler's ordeal, now and then twice, and a flood. Plain function; any thread,
// several side by side.
#pragma once

#include <string>

#include "runtime/lab/soak/ordeal.hpp"

namespace troupe::runtime::lab {

// All policies that are known, and misunderstandings().
std::vector<std::string> soaked_policies();

// Adds to the tally. Returns a digest of the schedule: equal for equal seeds. Throws BrokenPromise.
std::uint64_t soak(const std::string& policy, std::uint64_t seed, Tally& tally);

}  // namespace troupe::runtime::lab
