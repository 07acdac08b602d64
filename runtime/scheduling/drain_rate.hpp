// How fast the queue of a replica drains: the tokens of sequences that got their first blocks, over the time in which
// others had to stay behind. So it holds for whatever is short at the moment, time, blocks or seats, and a queue that is
// empty says nothing. Of what was measured in the last seconds and over a longer time the slower counts: who is let in and then
// late was computed in vain. What waiting ones are told, and which deadlines can be met, goes by it; results never do. Owned by
// the replica's Scheduler; not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "runtime/base/clock.hpp"

namespace troupe::runtime {

class DrainRate {
 public:
  // A step was planned: so many tokens have left the queue since the last one. backed_up: others could run, and wait on.
  void planned(TimePoint now, std::int64_t tokens, bool backed_up);
  // No steps for a while, and through no fault of the queue's.
  void paused() { backed_up_ = false; }

  // Until so many tokens have left; at most `longest`. Nothing, until there was something to measure.
  std::optional<Duration> time_for(std::int64_t tokens) const;
  // Likewise until whoever is behind them has its first token: that comes with a step's end, and the step may be as long as the
  // longest of late. Many that begin together wait for each other's prompts. Waits are taken to be a tenth longer than the pace
  // says: half of those who are let in at the very limit would be late.
  std::optional<Duration> time_to_token_behind(std::int64_t tokens) const;

  // While others have to stay behind: how long a step may take, if they are as of late. Nothing, while nobody has to.
  std::optional<Duration> step_time() const;

  static constexpr std::chrono::hours longest{1};

 private:
  static constexpr double least = 0.5;  // seconds that have to be measured
  static constexpr double margin = 0.1;

  struct Measured {
    double half_life;                // seconds of a backed-up queue, after which a measurement weighs half
    double seconds = 0, tokens = 0;  // older ones weighing less
  };
  std::array<Measured, 2> measured_{{{10}, {2}}};
  double longest_step_ = 0;        // seconds, of those that were measured; older ones count as shorter
  std::optional<TimePoint> last_;  // when a step was planned
  bool backed_up_ = false;         // since then
};

}  // namespace troupe::runtime
