// One request among a flood of others that takes more than there is. A policy that starves nobody answers it all the same.
// Owned by one thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/scheduling/policies/policy.hpp"

namespace troupe::runtime::lab {

// Those that promise it.
const std::vector<std::string>& fair_policies();

// policy: one that is known. Returns in how many steps the request was answered. Throws BrokenPromise if it is not, whatever comes
// after it, within most_flood_steps; and for any that is answered twice.
std::int64_t drown(const std::string& policy, std::uint64_t seed);
std::int64_t drown(const PolicyFactory& make_policy, std::uint64_t seed);

constexpr std::int64_t most_flood_steps = 20'000;

}  // namespace troupe::runtime::lab
