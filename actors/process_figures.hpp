// What this process and its host use, as Prometheus names it: read from /proc whenever somebody asks. Any thread.
#pragma once

#include <prometheus/metric_family.h>

#include <filesystem>
#include <vector>

namespace troupe::actors {

// root: where proc/ and sys/ stand. What the system does not tell is left out.
std::vector<prometheus::MetricFamily> process_figures(const std::filesystem::path& root = "/");

}  // namespace troupe::actors
