// One life of a worker process, and what its node sees of it. Plain values.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "runtime/base/clock.hpp"
#include "runtime/base/ticks.hpp"

namespace troupe::runtime {

// A rank's process from its start to its end: it outlives a cut link. The next life of the rank has a higher
// incarnation, so that what is said of one is never taken for the other.
struct WorkerLife {
  std::int32_t rank = 0;
  std::uint64_t incarnation = 0;
  friend bool operator==(const WorkerLife&, const WorkerLife&) = default;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, WorkerLife& x) {
  return f(x.rank, x.incarnation);
}

struct WorkerSeen {
  WorkerLife life;
  pid_t pid = 0;
  Duration silence{};  // since its last tick
  Duration waited{};   // of it: asleep in a wait for other ranks, or without orders
  Tick tick;           // the last one
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, WorkerSeen& x) {
  return f(x.life, x.pid, x.silence, x.waited, x.tick);
}

}  // namespace troupe::runtime
