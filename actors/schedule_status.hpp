// What the scheduler of the day shows to whoever asks. Thread-safe.
#pragma once

#include <mutex>

#include "runtime/base/clock.hpp"
#include "runtime/scheduling/schedule_view.hpp"

namespace troupe::actors {

class ScheduleStatus {
 public:
  // Before the first scheduler, and once for each.
  void begin(const runtime::SchedulerLimits& limits, const runtime::PolicyChoice& policy,
             const std::string& shadow) {
    const std::lock_guard lock(mutex_);
    view_ = {.limits = limits, .policy = in_force(policy)};
    if (!shadow.empty()) view_.shadow = in_force({shadow});
  }
  void policy(const runtime::PolicyChoice& policy) {
    const std::lock_guard lock(mutex_);
    view_.policy = in_force(policy);
  }
  void stats(runtime::SchedulerStats stats, TimePoint now) {
    const std::lock_guard lock(mutex_);
    if (!works(view_.stats) || stats.steps != view_.stats.steps) moved_ = now;
    view_.stats = std::move(stats);
  }
  // For how long no step has been committed, though there are sequences that could run; zero: there are none.
  Duration still(TimePoint now) const {
    const std::lock_guard lock(mutex_);
    return works(view_.stats) ? now - moved_ : Duration{};
  }
  // As SchedulerStats says it.
  std::optional<Duration> newcomers_wait() const {
    const std::lock_guard lock(mutex_);
    return view_.stats.newcomers_wait;
  }
  runtime::ScheduleView view() const {
    const std::lock_guard lock(mutex_);
    return view_;
  }

 private:
  static bool works(const runtime::SchedulerStats& stats) {
    return stats.running + stats.waiting > stats.resting;
  }
  static runtime::PolicyInForce in_force(const runtime::PolicyChoice& policy) {
    return {policy.name, runtime::options_in_force(policy)};
  }

  mutable std::mutex mutex_;
  runtime::ScheduleView view_;
  TimePoint moved_{};
};

}  // namespace troupe::actors
