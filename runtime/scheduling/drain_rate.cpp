#include "runtime/scheduling/drain_rate.hpp"

#include <cmath>

namespace troupe::runtime {

void DrainRate::planned(TimePoint now, std::int64_t tokens, bool backed_up) {
  if (since_) {
    const double seconds = std::chrono::duration<double>(now - *since_).count();
    const double weight = std::exp2(-seconds / half_life);
    seconds_ = seconds_ * weight + seconds;
    tokens_ = tokens_ * weight + double(tokens);
  }
  since_ = backed_up ? std::optional(now) : std::nullopt;
}

std::optional<Duration> DrainRate::time_for(std::int64_t tokens) const {
  if (tokens == 0) return Duration{};
  if (seconds_ < least) return std::nullopt;
  const double seconds = double(tokens) * seconds_ / tokens_;  // infinite, where nobody has left
  if (!(seconds < std::chrono::duration<double>(longest).count())) return longest;
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

}  // namespace troupe::runtime
