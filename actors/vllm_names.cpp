#include "actors/vllm_names.hpp"

#include <algorithm>
#include <string_view>

namespace troupe::actors {
namespace {

// vllm/v1/metrics/loggers.py, without the prefix.
constexpr std::string_view names[]{"num_requests_running",
                                   "num_requests_waiting",
                                   "num_requests_waiting_by_reason",
                                   "kv_cache_usage_perc",
                                   "cache_config_info",
                                   "prefix_cache_queries_total",
                                   "prefix_cache_hits_total",
                                   "num_preemptions_total",
                                   "prompt_tokens_total",
                                   "generation_tokens_total",
                                   "request_success_total",
                                   "iteration_tokens_total",
                                   "time_to_first_token_seconds",
                                   "inter_token_latency_seconds",
                                   "e2e_request_latency_seconds",
                                   "request_queue_time_seconds",
                                   "request_prefill_time_seconds",
                                   "request_decode_time_seconds",
                                   "request_inference_time_seconds",
                                   "request_time_per_output_token_seconds",
                                   "request_prompt_tokens",
                                   "request_generation_tokens",
                                   "request_params_max_tokens",
                                   "request_params_n",
                                   "spec_decode_num_drafts_total",
                                   "spec_decode_num_draft_tokens_total",
                                   "spec_decode_num_accepted_tokens_total",
                                   "spec_decode_num_accepted_tokens_per_pos_total"};
constexpr std::string_view prefix = "troupe_";

bool known(std::string_view name) {
  return name.starts_with(prefix) && std::ranges::count(names, name.substr(prefix.size())) > 0;
}

// vLLM counts for each of its engines; what counts for all groups together is engine 0's.
void add_engine(prometheus::ClientMetric& metric) {
  if (std::ranges::any_of(metric.label, [](const auto& label) { return label.name == "engine"; })) return;
  metric.label.push_back({"engine", "0"});
}

}  // namespace

std::vector<prometheus::MetricFamily> vllm_named(const std::vector<prometheus::MetricFamily>& families) {
  std::vector<prometheus::MetricFamily> renamed;
  for (const prometheus::MetricFamily& each : families) {
    if (!known(each.name)) continue;
    prometheus::MetricFamily& family = renamed.emplace_back(each);
    family.name = "vllm:" + each.name.substr(prefix.size());
    for (prometheus::ClientMetric& metric : family.metric) add_engine(metric);
  }
  return renamed;
}

}  // namespace troupe::actors
