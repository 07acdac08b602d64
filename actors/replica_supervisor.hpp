// Keeps the replica's parts alive: who is in, in which epoch, and when one that died may come back. A worker
// or block manager that dies ends the epoch; survivors keep their weights, requests replay. The scheduler's
// death ends the replica.
#pragma once

#include <atomic>

#include "actors/handles.hpp"
#include "actors/kv_block_manager.hpp"
#include "actors/worker.hpp"
#include "runtime/restart_policy.hpp"

namespace troupe::actors {

// What the supervisor shows to whoever asks; any thread may read.
struct ReplicaStatus {
  enum class State { loading, serving, recovering, failed };
  std::atomic<State> state = State::loading;
  std::atomic<Epoch> epoch = 0;
  std::atomic<std::uint64_t> restarts = 0;
};

struct ReplicaSettings {
  WorkerSettings worker;
  KvBlockManagerSettings blocks;
  runtime::RestartPolicy::Limits restarts;
  // Workers and block managers have threads of their own, so that none waits behind a long prompt that is
  // being tokenized. False: they share the actor system's, as the test coordinator needs.
  bool own_threads = true;
  std::shared_ptr<ReplicaStatus> status;
  std::shared_ptr<Metrics> metrics;
};

struct ReplicaSupervisorState {
  static inline const char* name = "replica_supervisor";
  ReplicaSettings settings;
  SchedulerHandle scheduler;
  KvBlockManagerHandle blocks;
  WorkerHandle worker;  // unset while there is none
  Epoch epoch = 0;
  std::optional<runtime::RestartPolicy> restarts;
  bool progressed = false;  // a step was committed since the last restart
};

ReplicaSupervisorHandle::behavior_type replica_supervisor(
    ReplicaSupervisorHandle::stateful_pointer<ReplicaSupervisorState> self, ReplicaSettings settings,
    SchedulerHandle scheduler);

}  // namespace troupe::actors
