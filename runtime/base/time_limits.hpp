// How long a request may take before the server gives it up, from its arrival. It stands here because an operator sets it,
// the edge reads a client's wish, and requests obey it. Plain values; 0: as long as it takes.
#pragma once

#include <algorithm>
#include <chrono>

namespace troupe {

enum class TimeLimit { request, queue, first_token };

struct TimeLimits {
  std::chrono::milliseconds request{0};      // until its end
  std::chrono::milliseconds queue{0};        // until it begins to be computed
  std::chrono::milliseconds first_token{0};  // until it has an output token
  // What there is when the request's time is up is its answer, as if max_tokens had been reached.
  bool partial = false;

  // The first of those in which it must at least begin; 0: none.
  std::chrono::milliseconds to_begin() const {
    auto least = std::chrono::milliseconds::max();
    for (const auto each : {request, queue, first_token})
      if (each.count() > 0) least = std::min(least, each);
    return least == std::chrono::milliseconds::max() ? std::chrono::milliseconds(0) : least;
  }
  friend bool operator==(const TimeLimits&, const TimeLimits&) = default;
};

}  // namespace troupe
