// A recorded schedule as the command line asks for it: played, and served by other policies. Main thread only.
#pragma once

#include "launch/simulation/runs.hpp"

namespace troupe::launch::simulation {

struct Replayed {
  std::vector<std::string> notes;  // sentences on what was played
  std::int32_t blocks = 0, block_size = 0;
  std::vector<Run> runs;  // as it was recorded, if it was played; then the policies
};

// Throws Error for the first step that is not planned as it was, for a file that is damaged, and for one whose start is gone
// where no policy was asked for.
Replayed replay(const Options& options, const std::vector<std::string>& policies);

}  // namespace troupe::launch::simulation
