// How much the experts are asked for by the tokens of one rank. Collects what each step counted and passes it
// on now and then. Supervised by its worker.
#pragma once

#include "actors/handles.hpp"

namespace troupe::actors {

struct ExpertShardState {
  static inline const char* name = "expert_shard";
  ExpertLoad load;         // first: CAF would make a state that begins with a handle from the actor itself
  bool reporting = false;  // a report is due
  ReplicaSupervisorHandle supervisor;
};

ExpertShardHandle::behavior_type expert_shard(ExpertShardHandle::stateful_pointer<ExpertShardState> self,
                                              ReplicaSupervisorHandle supervisor);

}  // namespace troupe::actors
