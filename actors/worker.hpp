// One rank: the weights of its shard, the KV storage and the compute thread. Spawned detached, so that its
// thread is the compute thread. A failure ends the actor; its supervisor starts another.
#pragma once

#include "actors/expert_shard.hpp"
#include "actors/handles.hpp"
#include "model/decoder.hpp"
#include "runtime/executor.hpp"
#include "transport/local/local.hpp"

namespace troupe::actors {

struct WorkerSettings {
  std::shared_ptr<const model::Checkpoint> checkpoint;
  model::ShardingPlan sharding;
  model::DecoderLimits limits;
  std::int64_t blocks = 0, block_size = 16;
  int threads = 1;
  std::shared_ptr<model::Progress> progress;  // of the latest load
  std::shared_ptr<Metrics> metrics;
};

struct WorkerState {
  static inline const char* name = "worker";
  WorkerSettings settings;
  Epoch epoch = 0;
  ExpertShardHandle experts;
  // Made by JoinEpoch; in the order in which they must outlive each other.
  std::unique_ptr<kernels::Ops> ops;
  std::unique_ptr<model::Decoder> decoder;
  std::unique_ptr<transport::LocalMesh> mesh;
  std::unique_ptr<transport::Communicator> communicator;
  std::unique_ptr<runtime::ModelExecutor> executor;
};

WorkerHandle::behavior_type worker(WorkerHandle::stateful_pointer<WorkerState> self, WorkerSettings settings);

}  // namespace troupe::actors
