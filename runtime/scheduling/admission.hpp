// Who may join the queue of a replica: no more than may wait, of all and of a caller, and nobody whose time would be up
// before the turn comes. What is refused is told when to come again, by the rate at which the queue drains. Any thread.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "runtime/base/error.hpp"
#include "runtime/base/scheduler_limits.hpp"
#include "runtime/scheduling/drain_rate.hpp"
#include "runtime/scheduling/step.hpp"

namespace troupe::runtime {

struct Backlog {
  std::int64_t sequences = 0, tokens = 0;
  Backlog& operator+=(const Backlog& other) {
    sequences += other.sequences;
    tokens += other.tokens;
    return *this;
  }
};

// What waits for blocks, in all and by caller.
class WaitingLoad {
 public:
  void add(std::uint64_t caller, std::int64_t tokens, int times) {  // a sequence; times: 1 or -1
    const Backlog change{times, times * tokens};
    all_ += change;
    Backlog& of_caller = by_caller_[caller] += change;
    if (of_caller.sequences == 0) by_caller_.erase(caller);
  }
  const Backlog& all() const { return all_; }
  Backlog of(std::uint64_t caller) const {
    const auto found = by_caller_.find(caller);
    return found == by_caller_.end() ? Backlog{} : found->second;
  }

 private:
  Backlog all_;
  std::unordered_map<std::uint64_t, Backlog> by_caller_;  // those who have something that waits
};

// That, as a newcomer finds it.
struct Waiting {
  Backlog all, of_caller;  // the newcomer's
  // Tokens of those that may go before the newcomer, by the policy; only where it is in a hurry.
  std::int64_t ahead = 0;
};

// Seconds until what waits now has got blocks, at least 1; 0: nobody knows.
std::int32_t retry_after(const DrainRate& rate, std::int64_t tokens);

constexpr const char* deadline_code = "deadline_unreachable";

// Of one that would wait for so long, and that much longer than it has time.
Refusal unreachable_deadline(Duration wait, Duration late);

// Of one that was let in and waited in vain. retry_after: 0, or seconds after which it may come again.
Refusal too_late(std::int32_t retry_after);

// Refusals: queue_full and deadline_unreachable (unavailable), too_many_waiting (rate_limited).
Expected<void> admit(const Submission& newcomer, const Waiting& waiting, const SchedulerLimits& limits,
                     const DrainRate& rate, TimePoint now);

}  // namespace troupe::runtime
