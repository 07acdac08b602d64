// When a sequence's next token is due. Plain functions; any thread.
#pragma once

#include <algorithm>

#include "runtime/scheduling/policies/policy.hpp"

namespace troupe::runtime {

// What holds for requests that ask for nothing: "ttft_ms" and "tpot_ms" of a policy's options.
inline ServiceLevels levels_of(PolicyOptions& options) {
  constexpr std::int64_t most = 1'000'000'000;
  return {.ttft_slo_ms = std::int32_t(options.whole("ttft_ms", 10'000, 1, most)),
          .tpot_slo_ms = std::int32_t(options.whole("tpot_ms", 100, 1, most))};
}

// A token is due when all before it came in time; the last one no later than latency_slo_ms says, which is all that counts
// for who asked for nothing else.
inline TimePoint due(const SequenceView& sequence, const ServiceLevels& otherwise) {
  using std::chrono::milliseconds;
  const ServiceLevels& slo = sequence.slo;
  const TimePoint last =
      slo.latency_slo_ms > 0 ? sequence.arrived + milliseconds(slo.latency_slo_ms) : TimePoint::max();
  if (slo.latency_slo_ms > 0 && slo.ttft_slo_ms == 0 && slo.tpot_slo_ms == 0) return last;
  const std::int64_t ttft = slo.ttft_slo_ms > 0 ? slo.ttft_slo_ms : otherwise.ttft_slo_ms;
  const std::int64_t tpot = slo.tpot_slo_ms > 0 ? slo.tpot_slo_ms : otherwise.tpot_slo_ms;
  constexpr std::int64_t most = 1'000'000'000'000;  // far from what a moment can hold
  return std::min(last, sequence.arrived + milliseconds(std::min(most, ttft + tpot * sequence.outputs)));
}

}  // namespace troupe::runtime
