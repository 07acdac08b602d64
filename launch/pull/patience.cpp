#include "launch/pull/patience.hpp"

#include <algorithm>

namespace troupe::launch::pull {

Duration Patience::after(const Hitch& hitch) {
  constexpr std::string_view remedy = "run it again later: it goes on where it was";
  if (++failures_ > retries_.most)
    throw Error("tried " + std::to_string(failures_) + (failures_ == 1 ? " time" : " times"), hitch.what(),
                remedy);
  Duration delay = std::min(retries_.first_delay, longest_delay);
  for (std::int32_t i = 1; i < failures_; ++i) delay = std::min(2 * delay, longest_delay);
  if (!hitch.retry_after) return delay;
  if (*hitch.retry_after > longest_retry_after)
    throw Error("the server asks to wait for too long", hitch.what(), remedy);
  return std::max(delay, *hitch.retry_after);
}

}  // namespace troupe::launch::pull
