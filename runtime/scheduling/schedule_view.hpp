// What a scheduler shows to whoever asks. Plain values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/scheduling/scheduler.hpp"

namespace troupe::runtime {

struct PolicyInForce {
  std::string name;
  std::vector<PolicyOption> options{};  // all that it has
};

struct ScheduleView {
  SchedulerLimits limits{};
  PolicyInForce policy{};
  std::optional<PolicyInForce> shadow{};
  SchedulerStats stats{};
};

}  // namespace troupe::runtime
