#include "actors/edge/time_limits.hpp"

#include <charconv>
#include <cmath>
#include <optional>

namespace troupe::actors::edge {
namespace {

constexpr double longest = 24 * 60 * 60;  // seconds

// Of what a client writes; nothing, for anything but a time that is above zero.
std::optional<std::chrono::milliseconds> parse_seconds(std::string_view text) {
  double seconds = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), seconds, std::chars_format::fixed);
  if (error != std::errc() || end != text.data() + text.size() || !(seconds > 0) || !std::isfinite(seconds))
    return std::nullopt;
  return std::chrono::ceil<std::chrono::milliseconds>(
      std::chrono::duration<double>(std::min(seconds, longest)));
}

}  // namespace

Expected<TimeLimits> time_limits(const config::EdgeSettings& settings, std::string_view x_request_timeout) {
  TimeLimits limits = settings.times;
  limits.partial = settings.timeout_action == "partial";
  if (x_request_timeout.empty()) return limits;
  const auto asked = parse_seconds(x_request_timeout);
  if (!asked)
    return refuse("The header x-request-timeout holds no number of seconds above 0.", "x-request-timeout",
                  "invalid_value");
  limits.request = limits.request.count() > 0 ? std::min(limits.request, *asked) : *asked;
  return limits;
}

}  // namespace troupe::actors::edge
