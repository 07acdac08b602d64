// What the membership of a replica wants done. Plain values; those that go to other processes travel as messages
// as they are.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "runtime/base/epoch_end.hpp"
#include "runtime/recovery/replica_view.hpp"
#include "runtime/recovery/worker_life.hpp"

namespace troupe::runtime {

// To the rank's node, which is there.
struct StartWorker {
  WorkerLife life;
  std::int32_t ranks_of_node = 1;  // how many share its CPUs
  Duration hang_limit{};           // that its node watches for
  bool on_gpu = false;             // it computes on one, which its node watches, too
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, StartWorker& x) {
  return f(x.life, x.ranks_of_node, x.hang_limit, x.on_gpu);
}
struct KillWorker {
  WorkerLife life;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, KillWorker& x) {
  return f(x.life);
}

// To the worker, whose link is there: read your weights, if they are not there yet, and say so.
struct Load {
  WorkerLife life;
  std::vector<std::vector<std::int32_t>> experts{};  // as in Join
};
// To all workers: meet the others and serve this epoch; what the KV storage holds stays.
struct Join {
  Epoch epoch = 0;
  std::vector<std::vector<std::int32_t>> experts;  // ranks by expert; empty: as they are spread by default
};
// To every worker whose link is there: all epochs before this one are over; wait for no rank of them any more.
struct AbortEpochs {
  Epoch before = 0;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, AbortEpochs& x) {
  return f(x.before);
}
// The link of a rank that is over: whoever is at its other end, also on a node that was replaced, shall end.
struct Dismiss {
  std::int32_t rank = 0;
};

// To the scheduler: the epoch is over, and how; what the groups named had in their caches is lost.
struct StopEpoch {
  Epoch next = 0;
  std::vector<GroupId> lost;
  EpochEnd how{};
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, StopEpoch& x) {
  return f(x.next, x.lost, x.how);
}
// To a group's block manager: the storage behind the blocks is gone.
struct VoidBlocks {
  GroupId group = 0;
  std::uint64_t generation = 0;  // of the cache from now on
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, VoidBlocks& x) {
  return f(x.group, x.generation);
}
// A part of the head's process is made, for the first time or in place of one that died. Serving goes on in epochs
// and cache generations after this one.
struct MakeScheduler {
  Epoch epoch = 0;
};
struct MakeBlocks {
  GroupId group = 0;
  std::uint64_t generation = 0;
};
// To the scheduler: all ranks have met.
struct Serve {
  Epoch epoch = 0;
};
// To all requests: no restart will help.
struct GiveUp {
  std::string why;
};

// For whoever watches.
struct TellFault {
  FaultView fault;
};
struct TellRecovery {
  Duration took{};  // from the notice of the first fault until serving again
};
struct TellRestart {
  std::int32_t rank = 0;
};
struct TellStale {};  // what was heard was of an epoch or a life that is over, and changed nothing

using Order =
    std::variant<StartWorker, KillWorker, Load, Join, AbortEpochs, Dismiss, StopEpoch, VoidBlocks,
                 MakeScheduler, MakeBlocks, Serve, GiveUp, TellFault, TellRecovery, TellRestart, TellStale>;
using Orders = std::vector<Order>;  // to be carried out in order

}  // namespace troupe::runtime
