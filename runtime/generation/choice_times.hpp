// How a choice that came to its own end was served, for metrics and traces. Plain values.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "runtime/base/clock.hpp"
#include "runtime/base/service_levels.hpp"

namespace troupe::runtime {

struct ChoiceTimes {
  // After a fault, what was there is computed again: from the last token before that to the next one.
  struct Replay {
    TimePoint lost{}, back{};
  };
  static constexpr std::size_t most_replays = 16;  // that are told, the first ones

  std::int32_t choice = 0;
  TimePoint arrived{};  // its request
  Duration queue{};     // from its request's arrival until it got blocks
  Duration prefill{};   // from then until its first token
  Duration decode{};    // from that to its last one
  std::int64_t prompt_tokens = 0, output_tokens = 0;
  ServiceLevels slo{};  // that its request asked for
  std::vector<Replay> replays{};

  Duration inference() const { return prefill + decode; }
  // Between two tokens, on average; 0 if there is one only.
  Duration per_token() const { return decode / std::max<std::int64_t>(1, output_tokens - 1); }
  bool in_time() const {
    using Seconds = std::chrono::duration<double>;
    const Duration first = queue + prefill;
    return meets({Seconds(first).count(), Seconds(per_token()).count(), Seconds(first + decode).count()},
                 slo);
  }
};

}  // namespace troupe::runtime
