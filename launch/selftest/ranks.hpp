// The ranks of a self-test that run on this host, and, under mpirun, their way to those of others. Main thread only.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "launch/selftest/report.hpp"

namespace troupe::launch {

struct SelftestSettings {
  int ranks = 1;  // of all hosts, a power of two
  std::string device = "cpu";
  std::string network = "127.0.0.1";
  // Of a collective on the host's meshes. And so long after the first failure, ranks that say nothing are ended.
  std::chrono::milliseconds patience{30'000};
};

// Reports of all ranks, by rank; what a rank could not say itself is said for it. Empty in all processes of mpirun but the
// first. Throws Error.
std::vector<RankReport> run_selftest(const SelftestSettings& settings);

}  // namespace troupe::launch
