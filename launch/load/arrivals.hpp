// When a bench's requests set out. Plain functions, any thread.
#pragma once

#include <cstdint>
#include <vector>

namespace troupe::launch::load {

// Seconds from the start, ascending. Gaps are drawn from a gamma distribution of shape `burstiness` and mean
// 1 / request_rate (1: a Poisson process; less: bursts; more: even), then scaled, as `vllm bench serve` does,
// so that all take count / request_rate together.
std::vector<double> gamma_arrivals(std::int32_t count, double request_rate, double burstiness,
                                   std::uint64_t seed);

}  // namespace troupe::launch::load
