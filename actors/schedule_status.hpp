// What the scheduler of the day shows to whoever asks. Thread-safe.
#pragma once

#include <mutex>

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
  void stats(runtime::SchedulerStats stats) {
    const std::lock_guard lock(mutex_);
    view_.stats = std::move(stats);
  }
  runtime::ScheduleView view() const {
    const std::lock_guard lock(mutex_);
    return view_;
  }

 private:
  static runtime::PolicyInForce in_force(const runtime::PolicyChoice& policy) {
    return {policy.name, runtime::options_in_force(policy)};
  }

  mutable std::mutex mutex_;
  runtime::ScheduleView view_;
};

}  // namespace troupe::actors
