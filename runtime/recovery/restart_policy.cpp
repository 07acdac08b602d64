#include "runtime/recovery/restart_policy.hpp"

#include <algorithm>

namespace troupe::runtime {

std::optional<std::chrono::milliseconds> RestartPolicy::on_death(bool made_progress) {
  consecutive_ = made_progress ? 1 : consecutive_ + 1;
  if (consecutive_ > limits_.max_consecutive_restarts) return std::nullopt;
  if (consecutive_ == 1) return limits_.first_delay;
  auto delay = limits_.second_delay;
  for (int i = 2; i < consecutive_ && delay < limits_.longest_delay; ++i) delay *= 2;
  return std::min(delay, limits_.longest_delay);
}

}  // namespace troupe::runtime
