// How soon its client wants a request answered. It stands here because the edge reads it, requests carry it, policies go
// by it, and metrics and the laboratory count by it. Plain values.
#pragma once

#include <cstdint>

namespace troupe {

// In milliseconds from the request's arrival, but for tpot, which is from token to token; 0: whenever.
struct ServiceLevels {
  std::int32_t ttft_slo_ms = 0;     // to the first token
  std::int32_t tpot_slo_ms = 0;     // between tokens
  std::int32_t latency_slo_ms = 0;  // to the last one
  bool none() const { return *this == ServiceLevels(); }
  friend bool operator==(const ServiceLevels&, const ServiceLevels&) = default;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, ServiceLevels& x) {
  return f(x.ttft_slo_ms, x.tpot_slo_ms, x.latency_slo_ms);
}

// How soon an answer was there, in seconds, as those levels are.
struct ServiceTimes {
  double ttft = 0, tpot = 0, latency = 0;
};

inline bool meets(const ServiceTimes& times, const ServiceLevels& levels) {
  const auto within = [](double seconds, std::int32_t ms) { return ms == 0 || seconds * 1000 <= ms; };
  return within(times.ttft, levels.ttft_slo_ms) && within(times.tpot, levels.tpot_slo_ms) &&
         within(times.latency, levels.latency_slo_ms);
}

}  // namespace troupe
