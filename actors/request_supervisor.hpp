// Supervises the requests of this process: one that dies without having ended tells its reader so. Tells all
// of them of a new scheduler, or that there will be none.
#pragma once

#include <unordered_map>

#include "actors/request.hpp"

namespace troupe::actors {

struct RequestSupervisorState {
  static inline const char* name = "request_supervisor";
  std::unordered_map<caf::actor_addr, RequestBorn> requests;
  std::optional<NewScheduler> scheduler;  // the last one; unset before the first
  std::optional<GiveUp> gave_up;
};

RequestSupervisorHandle::behavior_type request_supervisor(
    RequestSupervisorHandle::stateful_pointer<RequestSupervisorState> self, std::shared_ptr<Metrics> metrics);

}  // namespace troupe::actors
