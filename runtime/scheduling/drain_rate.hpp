// How fast the queue of a replica drains: the tokens of sequences that got their first blocks, over the time in which
// others had to stay behind. So it holds for whatever is short at the moment, time, blocks or seats, and a queue that is
// empty says nothing. What waiting ones are told, and which deadlines can be met, goes by it; results never do. Owned by
// the replica's Scheduler; not thread-safe.
#pragma once

#include <cstdint>
#include <optional>

#include "runtime/base/clock.hpp"

namespace troupe::runtime {

class DrainRate {
 public:
  // A step was planned: so many tokens have left the queue since the last one. backed_up: others could run, and wait on.
  void planned(TimePoint now, std::int64_t tokens, bool backed_up);
  // No steps for a while, and through no fault of the queue's.
  void paused() { since_.reset(); }

  // Until so many tokens have left; at most `longest`. Nothing, until there was something to measure.
  std::optional<Duration> time_for(std::int64_t tokens) const;

  static constexpr std::chrono::hours longest{1};

 private:
  static constexpr double half_life =
      10;                               // seconds of a backed-up queue, after which a measurement weighs half
  static constexpr double least = 0.5;  // seconds that have to be measured

  double seconds_ = 0, tokens_ = 0;  // measured, older ones weighing less
  std::optional<TimePoint> since_;   // the queue is backed up since the step that was planned then
};

}  // namespace troupe::runtime
