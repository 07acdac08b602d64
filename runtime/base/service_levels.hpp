// How soon its client wants a request answered. It stands here because the edge reads it, requests carry it and policies go
// by it. Plain values.
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

}  // namespace troupe
