// Glue between messages and runtime::StepCycle: carries requests to block managers, plans to the workers of their groups, and sends each
// owner its tokens. Decides nothing itself, and holds nothing that its successor could not get from the requests again.
#pragma once

#include <unordered_map>
#include <unordered_set>

#include "actors/handles.hpp"
#include "actors/metrics.hpp"
#include "actors/schedule_status.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/scheduling/grammar_roll.hpp"
#include "runtime/scheduling/step_cycle.hpp"

namespace troupe::actors {

struct SchedulerActorState {
  static inline const char* name = "scheduler";

  std::shared_ptr<runtime::CycleListener> listener;  // outlives the cycle
  std::unique_ptr<runtime::StepCycle> cycle;
  std::shared_ptr<Metrics> metrics;
  std::shared_ptr<ScheduleStatus> status;
  std::uint64_t policy_failures = 0;  // that the log has been told of
  std::unordered_map<SequenceId, RequestHandle> owners;
  // What each living request has submitted and not yet seen the end of; kept when an epoch stops.
  std::unordered_map<caf::actor_addr, std::unordered_set<SequenceId>> submitted;
  runtime::GrammarRoll grammars;
  std::vector<KvBlockManagerHandle> blocks;  // by group, as of the last epoch that began
  std::vector<WorkerHandle> workers;         // by rank, likewise
  TimePoint step_began;                      // the oldest in flight, or the one that is asked for
};

struct SchedulerSettings {
  runtime::SchedulerLimits limits;
  runtime::PolicyChoice policy;
  std::int32_t groups = 1;
  Epoch epoch = 0;  // that was reached when it was made
  std::shared_ptr<Metrics> metrics;
  std::string shadow_policy{};  // empty: none
  std::shared_ptr<ScheduleStatus> status = std::make_shared<ScheduleStatus>();
  std::shared_ptr<runtime::CycleListener> listener{};  // to all that happens; null: nobody listens
};

SchedulerHandle::behavior_type scheduler_actor(SchedulerHandle::stateful_pointer<SchedulerActorState> self,
                                               SchedulerSettings settings);

}  // namespace troupe::actors
