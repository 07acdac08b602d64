// What happens to a replica, as its membership hears it. Plain values, which travel as messages as they are.
#pragma once

#include <string>
#include <vector>

#include "runtime/base/start_settings.hpp"
#include "runtime/recovery/hang_watch.hpp"
#include "runtime/recovery/worker_life.hpp"

namespace troupe::runtime {

// A node is there, for the first time or again after its link was cut.
struct NodeArrived {
  std::int32_t node = -1;           // its place in the replica; -1: any that is missing
  std::vector<WorkerLife> workers;  // that live on it
  std::string build;                // of its program: messages and arithmetic are those of one build
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, NodeArrived& x) {
  return f(x.node, x.workers, x.build);
}

// A node says of its workers, several times within the limit for hangs, what they are at.
struct NodeTicks {
  std::vector<WorkerSeen> workers;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, NodeTicks& x) {
  return f(x.workers);
}

// A node says that a worker's life is over, or ought to be. A hang is told again after each further limit.
struct WorkerExited {
  WorkerSeen seen;
  std::string how;  // "signal 9 (Killed)"
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, WorkerExited& x) {
  return f(x.seen, x.how);
}
struct WorkerHangs {
  WorkerSeen seen;
  Hang hang{};
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, WorkerHangs& x) {
  return f(x.seen, x.hang);
}

// A worker lives, for the first time or again after its link was cut.
struct WorkerArrived {
  WorkerLife life;
  pid_t pid = 0;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, WorkerArrived& x) {
  return f(x.life, x.pid);
}

// A worker has its weights and its KV storage, also when it is asked again, or cannot have them.
struct ModelLoaded {
  WorkerLife life;
  std::string arithmetic;  // all ranks of a replica agree on it
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, ModelLoaded& x) {
  return f(x.life, x.arithmetic);
}
struct LoadFailed {
  WorkerLife life;
  std::string error;
  StartSettings fits{};  // with which memory would be enough; not known: it was not that, or nothing is
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, LoadFailed& x) {
  return f(x.life, x.error, x.fits);
}

// A worker has met all other ranks of an epoch, or could not.
struct Joined {
  WorkerLife life;
  Epoch epoch = 0;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, Joined& x) {
  return f(x.life, x.epoch);
}
struct JoinFailed {
  enum class Why : std::uint8_t {
    no_experts,   // it cannot have the experts that the epoch asks of it
    not_met,      // another rank did not come, or the epoch was aborted
    cannot_meet,  // the ranks were all there, and have no way between them of the kind that was ordered
  };
  WorkerLife life;
  Epoch epoch = 0;
  Why why = Why::not_met;
  std::string error;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, JoinFailed& x) {
  return f(x.life, x.epoch, x.why, x.error);
}

// A step of the epoch failed in a worker, which takes no further one.
struct StepFailed {
  enum class Why : std::uint8_t {
    peer,  // a collective failed, as it does in all ranks when one dies; who is at fault is another question
    plan,  // it was not told of a step before it, or of a sequence
  };
  WorkerLife life;
  Epoch epoch = 0;
  Why why = Why::peer;
  std::string error;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, StepFailed& x) {
  return f(x.life, x.epoch, x.why, x.error);
}

// The scheduler has let go of everything before this epoch.
struct EpochStopped {
  Epoch next = 0;
  std::uint64_t steps_committed = 0;  // since it let go the last time
  bool search_advanced = false;       // it knows better than before which sequence it is that kills workers
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, EpochStopped& x) {
  return f(x.next, x.steps_committed, x.search_advanced);
}

// An operator wants these ranks (ascending, at least one) to compute an expert, from the next epoch on.
struct PlaceExpert {
  std::int32_t expert = 0;
  std::vector<std::int32_t> ranks;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, PlaceExpert& x) {
  return f(x.expert, x.ranks);
}

}  // namespace troupe::runtime
