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
  ReplicaSupervisorHandle supervisor;               // who had the model loaded last
  std::shared_ptr<runtime::EpochLink> link;         // of the last epoch that was joined
  std::optional<LoadModel> model;                   // that is being, or has been, read
  std::shared_ptr<runtime::GrammarShelf> grammars;  // since then
};

// compute: spawned for this worker, which ends it; detached wherever ranks wait for each other.
WorkerHandle::behavior_type worker(WorkerHandle::stateful_pointer<WorkerState> self, WorkerOptions options,
                                   ComputeHandle compute);

}  // namespace troupe::actors
