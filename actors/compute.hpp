// The compute thread of a rank: reads the weights, meets the other ranks, runs steps. Spawned detached by its
// worker; waits in it are ended by its worker through the EpochLink.
#pragma once

#include "actors/handles.hpp"
#include "runtime/execution/epoch_link.hpp"
#include "runtime/execution/model_executor.hpp"

namespace troupe::actors {

// What a worker is told when it is made; everything else comes in messages.
struct WorkerOptions {
  int threads = 1;
  std::string network = "127.0.0.1";  // of the collectives: IP address or interface
  TickBoard* ticks = nullptr;         // outlives the worker, as does:
  model::Progress* progress = nullptr;
  bool own_thread = true;          // for the compute actor; false: it shares the actor system's, as the test
                                   // coordinator needs
  runtime::RanksOfHost host = {};  // with whom it shares memory
};

inline model::ShardingPlan sharding_of(const LoadModel& order) {
  return {order.rank, order.tensor_parallel, order.data_parallel, order.expert_parallel,
          order.virtual_shards};
}

using ComputeHandle =
    caf::typed_actor<caf::replies_to<LoadModel>::with<ModelLoaded>,
                     caf::replies_to<JoinEpoch, std::shared_ptr<runtime::EpochLink>>::with<Joined>,
                     caf::reacts_to<runtime::StepPlan, ReplicaSupervisorHandle, ExpertShardHandle>,
                     caf::reacts_to<Drill>>;

struct ComputeState {
  static inline const char* name = "compute";
  WorkerOptions options;
  LoadModel order;  // what was loaded
  // In the order in which they must outlive each other.
  std::unique_ptr<kernels::Ops> ops;
  std::shared_ptr<const model::Checkpoint> checkpoint;
  std::unique_ptr<model::Decoder> decoder;
  std::unique_ptr<model::KvCache> cache;
  std::shared_ptr<runtime::EpochLink> link;
  std::unique_ptr<runtime::ModelExecutor> executor;  // of the link's epoch; none between epochs
  bool loses_next_step = false;                      // a drill
};

ComputeHandle::behavior_type compute(ComputeHandle::stateful_pointer<ComputeState> self,
                                     WorkerOptions options);

}  // namespace troupe::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<troupe::runtime::EpochLink>)  // never leaves its process
