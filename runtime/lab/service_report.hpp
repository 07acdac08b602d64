// How requests were served: figures over all of them, that grow with no request. Owned by one thread.
#pragma once

#include "runtime/base/service_levels.hpp"
#include "runtime/lab/fairness.hpp"
#include "runtime/lab/quantiles.hpp"

namespace troupe::runtime::lab {

// One that has its whole answer. Times are seconds from the simulation's begin.
struct ServedRequest {
  double arrived = 0, admitted = 0, first_token = 0, ended = 0;
  double longest_gap = 0, last_token = 0;  // between two tokens, and when the last one came
  std::int32_t prompt_tokens = 0, cached_tokens = 0, output_tokens = 0;
  std::uint64_t caller = 0;
  ServiceLevels slo{};

  // One more. cached: tokens of the prompt that were found in the cache, or less than none.
  void token_came(double now, std::int32_t cached);

  double ttft() const { return first_token - arrived; }
  double tpot() const { return output_tokens > 1 ? (ended - first_token) / (output_tokens - 1) : 0; }
  bool meets(const ServiceLevels& levels) const;
};

struct ServiceReport {
  // otherwise: what holds for requests that ask for nothing.
  explicit ServiceReport(const ServiceLevels& otherwise = {}) : levels(otherwise) {}
  void add(const ServedRequest& request);

  ServiceLevels levels;
  Quantiles ttft, tpot, longest_gap, latency, queueing;  // seconds
  Quantiles step;                                        // seconds of each
  std::uint64_t served = 0, good = 0, refused = 0;       // requests
  std::uint64_t prompt_tokens = 0, cached_tokens = 0, output_tokens = 0;
  std::uint64_t steps = 0, preemptions = 0;
  std::uint64_t deaths = 0, interrupted = 0;  // of ranks; of sequences that lost their caches with them
  std::uint64_t replayed_tokens = 0;          // of answers, computed again
  double computing = 0;                       // seconds in which a replica computed a step, on average
  double arriving = 0;                        // seconds until the last request arrived
  double seconds = 0;                         // until the last request ended
  double largest_service_difference = 0;      // as in Fairness
  std::uint64_t most_live = 0;                // requests at a time
  std::uint64_t schedule = 0;                 // a digest of every step's plan: equal for equal schedules

  double goodput() const { return seconds > 0 ? double(good) / seconds : 0; }  // requests a second
  double throughput() const { return seconds > 0 ? double(output_tokens) / seconds : 0; }  // tokens a second
};

}  // namespace troupe::runtime::lab
