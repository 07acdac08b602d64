// The figures of a run, as `vllm bench serve` defines them. Plain functions, any thread.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "launch/load/exchange.hpp"

namespace troupe::launch::load {

// Of a set of times, in milliseconds; all zero for an empty set.
struct Distribution {
  double mean = 0, median = 0, std = 0;
  std::vector<double> percentiles = {};  // in the order in which they were asked for
};

// With linear interpolation between neighbours; values are sorted, there is at least one.
double percentile(std::span<const double> values, double percent);
Distribution distribution(std::vector<double> seconds, std::span<const double> percents);

// The most milliseconds that a good request takes, by "ttft", "tpot" and "e2el".
using Objectives = std::map<std::string, double>;
// "ttft:500". Throws UsageError.
Objectives parse_objectives(const std::vector<std::string>& texts);

struct ServingMetrics {
  std::int32_t completed = 0, failed = 0;
  std::int64_t total_input = 0, total_output = 0;  // tokens of those that completed
  double request_throughput = 0, request_goodput = 0, output_throughput = 0, total_token_throughput = 0;
  double max_output_tokens_per_s = 0;  // within one of the run's seconds; counts events
  std::int32_t max_concurrent_requests = 0;
  std::map<std::string, Distribution> times = {};  // "ttft", "tpot", "itl", "e2el"
};

// duration: seconds of the whole run.
ServingMetrics measure(std::span<const Exchange> exchanges, double duration, std::span<const double> percents,
                       const Objectives& objectives);

}  // namespace troupe::launch::load
