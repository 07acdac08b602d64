// Metrics under the names and with the labels of vLLM, for dashboards that were made for it. Any thread.
#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <vector>

namespace troupe::actors {

// Of those families that vLLM has, too: `vllm:NAME` for `troupe_NAME`, each line with the label `engine`.
std::vector<prometheus::MetricFamily> vllm_named(const std::vector<prometheus::MetricFamily>& families);

}  // namespace troupe::actors
