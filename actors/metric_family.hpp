// A figure that is read where it is asked for, as Prometheus' families have it.
#pragma once

#include <prometheus/metric_family.h>

#include <utility>
#include <vector>

namespace troupe::actors {

// type: Counter or Gauge.
inline prometheus::MetricFamily metric_family(const char* name, const char* help, prometheus::MetricType type,
                                              double value,
                                              std::vector<prometheus::ClientMetric::Label> labels = {}) {
  prometheus::ClientMetric metric;
  metric.label = std::move(labels);
  (type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
  return {name, help, type, {std::move(metric)}};
}

}  // namespace troupe::actors
