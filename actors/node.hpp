// The workers of one host, as the supervisor orders them: processes of their own, or, where a single rank is
// all, an actor of this process.
#pragma once

#include "actors/gpu_watch.hpp"
#include "actors/link/identity.hpp"
#include "actors/worker.hpp"
#include "runtime/recovery/worker_processes.hpp"

namespace troupe::actors {

// Who the supervisor is now: at first, and again after the link was cut.
struct SupervisorFound {
  ReplicaSupervisorHandle supervisor;
};

// What a node understands besides orders: that, and what its watch saw.
using NodeActor = NodeHandle::extend<caf::reacts_to<runtime::WorkerExited>,
                                     caf::reacts_to<runtime::WorkerHangs>, caf::reacts_to<runtime::NodeTicks>,
                                     caf::reacts_to<SupervisorFound>, caf::reacts_to<GpuReadings>>;

struct NodeSettings {
  runtime::WorkerOrder order;  // but for start, threads, spin and environment
  std::optional<int> threads;  // of each worker; unset: an equal share of the CPUs
  int nodes_here = 1;          // that share this host's CPUs
  TlsIdentity identity;
  bool require_rdma = false;  // NCCL takes no other network
  std::int32_t place = -1;    // in the replica, if it knows it; 0: the head's
};

struct NodeState {
  static inline const char* name = "node";
  NodeSettings settings;
  std::int32_t index = -1;  // its place in the replica; -1: not known yet
  ReplicaSupervisorHandle supervisor;
  std::unique_ptr<runtime::WorkerProcesses> processes;
  GpuWatchHandle gpus;  // unset where this host has none that tell
};

NodeActor::behavior_type node(NodeActor::stateful_pointer<NodeState> self, NodeSettings settings);

// How the worker of this process is made, its compute actor with it.
using SpawnWorker = std::function<WorkerHandle(caf::actor_system&)>;

struct LocalNodeState {
  static inline const char* name = "local_node";
  SpawnWorker spawn_worker;
  ReplicaSupervisorHandle supervisor;
  WorkerHandle worker;
  runtime::WorkerLife life;
  const TickBoard* ticks = nullptr;
};

// ticks: the worker's; outlives the node. Null: there are none.
NodeHandle::behavior_type local_node(NodeHandle::stateful_pointer<LocalNodeState> self,
                                     ReplicaSupervisorHandle supervisor, SpawnWorker spawn_worker,
                                     const TickBoard* ticks);

}  // namespace troupe::actors

// Never leaves its process.
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::SupervisorFound)
