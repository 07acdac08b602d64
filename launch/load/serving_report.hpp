// A run as the table and the JSON object of `vllm bench serve`. Plain functions, any thread.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "launch/load/serving_metrics.hpp"

namespace troupe::launch::load {

struct ServingRun {
  std::string base_url, endpoint, model_id, dataset_name;
  std::int32_t max_concurrency = 0;         // 0: no limit
  std::optional<double> request_rate = {};  // requests/s; none: all at once, or at the trace's times
  double burstiness = 1;
  std::vector<std::string> percentile_metrics = {};
  std::vector<double> metric_percentiles = {};
  bool has_objectives = false;
  double duration = 0;            // seconds
  double client_cpu_seconds = 0;  // of this process, meanwhile
  std::vector<Exchange> exchanges = {};
  ServingMetrics metrics = {};
};

std::string table_of(const ServingRun& run);
// detailed: also what each request took.
nlohmann::ordered_json json_of(const ServingRun& run, bool detailed);

}  // namespace troupe::launch::load
