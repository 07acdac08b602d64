// Glue between messages and runtime::Scheduler: runs the cycle propose, reserve, dispose, execute, commit,
// one step at a time, and sends each owner its tokens. Decides nothing itself.
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
  KvBlockManagerHandle blocks;  // unset between epochs
  WorkerHandle worker;
  Epoch epoch = 0;
  bool busy = false;     // a step is on its way
  bool changed = false;  // something came while busy that may let another sequence run
  std::uint64_t steps_in_epoch = 0;
  std::optional<Refusal> gave_up;
  TimePoint step_began;
};

SchedulerHandle::behavior_type scheduler_actor(SchedulerHandle::stateful_pointer<SchedulerActorState> self,
                                               runtime::SchedulerLimits limits, std::string policy,
                                               std::shared_ptr<Metrics> metrics);

}  // namespace troupe::actors
