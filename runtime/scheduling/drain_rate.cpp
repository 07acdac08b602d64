#include "runtime/scheduling/drain_rate.hpp"

#include <algorithm>
#include <cmath>

namespace troupe::runtime {

void DrainRate::planned(TimePoint now, std::int64_t tokens, bool backed_up) {
  const double seconds = std::chrono::duration<double>(now - last_.value_or(now)).count();
  const auto weight = [&](const Measured& each) { return std::exp2(-seconds / each.half_life); };
  longest_step_ *= weight(measured_.front());
  if (backed_up_) {
    longest_step_ = std::max(longest_step_, seconds);
    for (Measured& each : measured_) {
      each.tokens = each.tokens * weight(each) + double(tokens);
      each.seconds = each.seconds * weight(each) + seconds;
    }
  }
  last_ = now;
  backed_up_ = backed_up;
}

std::optional<Duration> DrainRate::time_for(std::int64_t tokens) const {
  if (tokens == 0) return Duration{};
  if (measured_.front().seconds < least) return std::nullopt;
  double seconds = 0;
  for (const Measured& each : measured_)  // infinite, where nobody has left
    seconds = std::max(seconds, double(tokens) * each.seconds / each.tokens);
  if (!(seconds < std::chrono::duration<double>(longest).count())) return longest;
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

std::optional<Duration> DrainRate::step_time() const {
  if (!backed_up_) return std::nullopt;
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(longest_step_));
}

std::optional<Duration> DrainRate::time_to_token_behind(std::int64_t tokens) const {
  const auto time = time_for(tokens);
  if (!time || tokens == 0) return time;
  const std::chrono::duration<double> all =
      *time * (1 + margin) + std::chrono::duration<double>(longest_step_);
  return std::min<Duration>(longest, std::chrono::duration_cast<Duration>(all));
}

}  // namespace troupe::runtime
