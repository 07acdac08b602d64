// One rank. The worker hears messages at any time, so that it can wake its compute actor, which has a thread
// of its own and holds the weights, the KV storage and the communicators, from a wait for ranks that will
// never come. When the compute actor fails for a reason of its own, the worker ends.
#pragma once

#include "actors/compute.hpp"

namespace troupe::actors {

struct WorkerState {
  static inline const char* name = "worker";
  WorkerOptions options;
  ComputeHandle compute;
  ExpertShardHandle experts;
  ReplicaSupervisorHandle supervisor;           // who gave the last order
  std::shared_ptr<runtime::EpochLink> link;     // of the last epoch that was joined
  std::optional<model::ShardingPlan> sharding;  // of the weights that are being, or have been, read
};

WorkerHandle::behavior_type worker(WorkerHandle::stateful_pointer<WorkerState> self, WorkerOptions options);

}  // namespace troupe::actors
