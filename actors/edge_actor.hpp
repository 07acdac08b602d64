// Supervises the requests of this process: one that dies without having ended tells its reader so.
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
};

EdgeHandle::behavior_type edge_actor(EdgeHandle::stateful_pointer<EdgeActorState> self,
                                     std::shared_ptr<Metrics> metrics);

}  // namespace troupe::actors
