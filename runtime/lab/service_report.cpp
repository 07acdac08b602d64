#include "runtime/lab/service_report.hpp"

namespace troupe::runtime::lab {

void ServedRequest::token_came(double now, std::int32_t cached) {
  if (output_tokens++ == 0) {
    first_token = now;
    cached_tokens = std::max(0, cached);
  } else {
    longest_gap = std::max(longest_gap, now - last_token);
  }
  last_token = now;
}

bool ServedRequest::meets(const ServiceLevels& levels) const {
  return troupe::meets({ttft(), tpot(), ended - arrived}, levels);
}

void ServiceReport::add(const ServedRequest& request) {
  ++served;
  good += request.meets(request.slo.none() ? levels : request.slo);
  prompt_tokens += std::uint64_t(request.prompt_tokens);
  cached_tokens += std::uint64_t(request.cached_tokens);
  output_tokens += std::uint64_t(request.output_tokens);
  ttft.add(request.ttft());
  if (request.output_tokens > 1) {
    tpot.add(request.tpot());
    longest_gap.add(request.longest_gap);
  }
  latency.add(request.ended - request.arrived);
  queueing.add(request.admitted - request.arrived);
}

}  // namespace troupe::runtime::lab
