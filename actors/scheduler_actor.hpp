// Glue between messages and runtime::Scheduler: runs the cycle propose, reserve, dispose, execute, commit,
// one step at a time, and sends each owner its tokens. Decides nothing itself, and holds nothing that its
// successor could not get from the requests again.
#pragma once

#include <unordered_map>
#include <unordered_set>

#include "actors/handles.hpp"
#include "actors/metrics.hpp"
#include "runtime/base/clock.hpp"

namespace troupe::actors {

struct SchedulerActorState {
  static inline const char* name = "scheduler";

  struct Owner {
    RequestHandle request;
    std::int32_t cached_tokens = 0;
  };

  std::unique_ptr<runtime::Scheduler> scheduler;
  std::shared_ptr<Metrics> metrics;
  std::unordered_map<SequenceId, Owner> owners;
  // What each living request has submitted and not yet seen the end of; kept when an epoch stops.
  std::unordered_map<caf::actor_addr, std::unordered_set<SequenceId>> submitted;
  std::vector<KvBlockManagerHandle> blocks;  // by group, as of the last epoch that began
  std::vector<WorkerHandle> workers;         // by rank; empty between epochs
  Epoch epoch = 0;
  bool changed = false;  // something may let another sequence run since the last proposal
  std::uint64_t steps_in_epoch = 0;
  TimePoint step_began;
};

struct SchedulerSettings {
  runtime::SchedulerLimits limits;
  std::string policy;
  std::int32_t groups = 1;
  Epoch epoch = 0;  // that was reached when it was made
  std::shared_ptr<Metrics> metrics;
};

SchedulerHandle::behavior_type scheduler_actor(SchedulerHandle::stateful_pointer<SchedulerActorState> self,
                                               SchedulerSettings settings);

}  // namespace troupe::actors
