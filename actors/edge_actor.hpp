// Supervises the requests of this process: one that dies without having ended tells its reader so. Tells all
// of them of a new scheduler, or that there will be none.
#pragma once

#include <unordered_map>

#include "actors/request.hpp"

namespace troupe::actors {

struct EdgeActorState {
  static inline const char* name = "edge";
  struct Born {
    RequestHandle request;
    std::shared_ptr<TerminalOnce> sink;
  };
  std::unordered_map<caf::actor_addr, Born> requests;
  SchedulerHandle scheduler;  // the last one; unset before the first
  std::optional<GiveUp> gave_up;
};

EdgeHandle::behavior_type edge_actor(EdgeHandle::stateful_pointer<EdgeActorState> self,
                                     std::shared_ptr<Metrics> metrics);

}  // namespace troupe::actors
