// Whether a checkpoint would fit on a machine with a server's settings, and with which it would. Any thread.
#pragma once

#include "launch/doctor/finding.hpp"
#include "launch/sizing/sizing.hpp"

namespace troupe::launch::doctor {

struct FitQuestion {
  sizing::Deployment deployment;     // as the server would be started; overhead: of each rank
  std::string cache_dtype = "auto";  // --kv-cache-dtype, which a shorter context may read otherwise
  model::ShardingPlan layout{};      // -tp, -dp, -ep
  std::uint64_t memory_of_rank = 0;  // bytes, of its GPU, or its part of the host's
  std::string memory_from{};         // where that is read
  std::int32_t gpus = 0;             // that there are; 0: ranks compute on the host
};

// One finding: a note with what fits, or what is missing, critical, with the settings by which it would fit, each of which
// has been reckoned. Throws Error for what no layout can serve.
Findings of_fit(const model::Checkpoint& checkpoint, const FitQuestion& question);

}  // namespace troupe::launch::doctor
