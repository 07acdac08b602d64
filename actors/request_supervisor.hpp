// Supervises the requests of this process: one that dies without having ended tells its reader so. Tells all
// of them of a new scheduler, or that there will be none, and each when its time is up.
#pragma once

#include <map>
#include <unordered_map>

#include "actors/request.hpp"

namespace troupe::actors {

struct RequestSupervisorState {
  static inline const char* name = "request_supervisor";
  std::unordered_map<caf::actor_id, RequestBorn> requests;
  std::optional<NewScheduler> scheduler;  // the last one; unset before the first
  std::optional<GiveUp> gave_up;

  struct Deadline {
    caf::actor_id request = 0;  // which may have ended
    TimeLimit limit = TimeLimit::request;
  };
  std::multimap<TimePoint, Deadline> deadlines;
  std::optional<TimePoint> alarm;  // that is set
};

RequestSupervisorHandle::behavior_type request_supervisor(
    RequestSupervisorHandle::stateful_pointer<RequestSupervisorState> self, std::shared_ptr<Metrics> metrics);

}  // namespace troupe::actors
