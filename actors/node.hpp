// The workers of one host, as the supervisor orders them: processes of their own, or, where a single rank is
// all, an actor of this process.
#pragma once

#include "actors/link/identity.hpp"
#include "actors/worker.hpp"
#include "runtime/recovery/worker_processes.hpp"

namespace troupe::actors {

// What a node understands besides orders: what its watch saw, and who the supervisor is now (again after the
// link was cut).
using NodeActor = NodeHandle::extend<caf::reacts_to<WorkerExited>, caf::reacts_to<WorkerHangs>,
                                     caf::reacts_to<NodeTicks>, caf::reacts_to<ReplicaSupervisorHandle>>;

struct NodeSettings {
  runtime::WorkerOrder order;  // but for rank, incarnation, threads and hang_limit_ms
  std::optional<int> threads;  // of each worker; unset: an equal share of the CPUs
  int nodes_here = 1;          // that share this host's CPUs
  TlsIdentity identity;
  std::int32_t place = -1;  // in the replica, if it knows it; 0: the head's
};

struct NodeState {
  static inline const char* name = "node";
  NodeSettings settings;
  std::int32_t index = -1;  // its place in the replica; -1: not known yet
  ReplicaSupervisorHandle supervisor;
  std::unique_ptr<runtime::WorkerProcesses> processes;
};

NodeActor::behavior_type node(NodeActor::stateful_pointer<NodeState> self, NodeSettings settings);

struct LocalNodeState {
  static inline const char* name = "local_node";
  WorkerOptions options;  // first: CAF would make a state that begins with a handle from the actor itself
  ReplicaSupervisorHandle supervisor;
  WorkerHandle worker;
  LivingWorker life;
};

NodeHandle::behavior_type local_node(NodeHandle::stateful_pointer<LocalNodeState> self,
                                     ReplicaSupervisorHandle supervisor, WorkerOptions options);

}  // namespace troupe::actors
