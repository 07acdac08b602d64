// The experts that live on one rank: which they are and how much they are asked for. Supervised by its
// worker.
#pragma once

#include "actors/handles.hpp"
#include "actors/metrics.hpp"

namespace troupe::actors {

struct ExpertShardState {
  static inline const char* name = "expert_shard";
  std::shared_ptr<Metrics> metrics;
  ExpertLoad load;
};

ExpertShardHandle::behavior_type expert_shard(ExpertShardHandle::stateful_pointer<ExpertShardState> self,
                                              std::shared_ptr<Metrics> metrics);

}  // namespace troupe::actors
