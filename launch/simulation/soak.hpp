// Lives of schedulers in disorder, side by side. Main thread only.
#pragma once

#include <string>
#include <vector>

#include "launch/simulation/options.hpp"
#include "runtime/lab/soak/soak.hpp"

namespace troupe::launch::simulation {

struct Soaked {
  struct Broken {
    std::uint64_t seed = 0;
    std::string how;
  };
  std::string policy;
  std::uint64_t lives = 0, schedules = 0;  // schedules: a digest of all
  runtime::lab::Tally tally;
  std::vector<Broken> broken{};
};

// Each seed from --seed on, under each policy. A CHECK that fails stops the process, as always, and names the seed.
std::vector<Soaked> soak(const Options& options, const std::vector<std::string>& policies);

std::string table_of(const std::vector<Soaked>& soaked);

}  // namespace troupe::launch::simulation
