#include "launch/load/serving_report.hpp"

#include <ctime>
#include <map>

namespace troupe::launch::load {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t width = 50;

std::string rule(const std::string& title, char with) {
  const std::size_t rest = width - std::min(width, title.size());
  return std::string(rest / 2, with) + title + std::string(rest - rest / 2, with) + "\n";
}

std::string row(const std::string& name, const std::string& value) {
  std::string line = name;
  line.resize(std::max<std::size_t>(name.size(), 40), ' ');
  return line + " " + value + "\n";
}
std::string row(const std::string& name, std::int64_t value) {
  return row(name, std::to_string(value));
}
std::string row(const std::string& name, double value) {
  char text[64];
  std::snprintf(text, sizeof text, "%.2f", value);
  return row(name, std::string(text));
}

// "99", "99.9"
std::string percent_name(double percent) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", percent);
  return text;
}

std::string rows_of(const ServingRun& run, const std::string& metric) {
  static const std::map<std::string, std::pair<std::string, std::string>> titles{
      {"ttft", {"Time to First Token", "TTFT"}},
      {"tpot", {"Time per Output Token (excl. 1st token)", "TPOT"}},
      {"itl", {"Inter-token Latency", "ITL"}},
      {"e2el", {"End-to-end Latency", "E2EL"}}};
  const auto& [title, name] = titles.at(metric);
  const Distribution& times = run.metrics.times.at(metric);
  std::string text = rule(title, '-') + row("Mean " + name + " (ms):", times.mean) +
                     row("Median " + name + " (ms):", times.median);
  for (std::size_t i = 0; i < run.metric_percentiles.size(); ++i)
    text += row("P" + percent_name(run.metric_percentiles[i]) + " " + name + " (ms):", times.percentiles[i]);
  return text;
}

// Requests that failed, by what they failed of.
std::map<std::string, std::int64_t> errors_of(const ServingRun& run) {
  std::map<std::string, std::int64_t> errors;
  for (const Exchange& each : run.exchanges)
    if (!each.success()) ++errors[each.error];
  return errors;
}

std::string local_date() {
  const std::time_t at = std::time(nullptr);
  std::tm parts{};
  localtime_r(&at, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y%m%d-%H%M%S", &parts);
  return text;
}

void add_details(ordered_json& json, const ServingRun& run) {
  const auto list = [&](const char* name, auto value_of) {
    ordered_json& values = json[name] = ordered_json::array();
    for (const Exchange& each : run.exchanges) values.push_back(value_of(each));
  };
  list("input_lens", [](const Exchange& each) { return each.prompt_len; });
  list("output_lens", [](const Exchange& each) { return each.success() ? each.output_len : 0; });
  list("ttfts", [](const Exchange& each) { return each.ttft; });
  list("itls", [](const Exchange& each) { return each.itl; });
  list("latencies", [](const Exchange& each) { return each.latency; });
  list("start_times", [](const Exchange& each) { return each.start; });
  list("queue_times", [](const Exchange& each) { return each.queue_time; });
  list("errors", [](const Exchange& each) { return each.error; });
}

}  // namespace

std::string table_of(const ServingRun& run) {
  const ServingMetrics& metrics = run.metrics;
  std::string text = rule(" Serving Benchmark Result ", '=') +
                     row("Successful requests:", std::int64_t(metrics.completed)) +
                     row("Failed requests:", std::int64_t(metrics.failed));
  if (run.max_concurrency > 0) text += row("Maximum request concurrency:", std::int64_t(run.max_concurrency));
  if (run.request_rate) text += row("Request rate configured (RPS):", *run.request_rate);
  text += row("Benchmark duration (s):", run.duration) + row("Total input tokens:", metrics.total_input) +
          row("Total generated tokens:", metrics.total_output) +
          row("Request throughput (req/s):", metrics.request_throughput);
  if (run.has_objectives) text += row("Request goodput (req/s):", metrics.request_goodput);
  text += row("Output token throughput (tok/s):", metrics.output_throughput) +
          row("Peak output token throughput (tok/s):", metrics.max_output_tokens_per_s) +
          row("Peak concurrent requests:", double(metrics.max_concurrent_requests)) +
          row("Total token throughput (tok/s):", metrics.total_token_throughput) +
          row("CPU of this client (% of one core):", run.client_cpu_seconds / run.duration * 100);
  for (const std::string& metric : run.percentile_metrics) text += rows_of(run, metric);
  text += std::string(width, '=') + "\n";
  for (const auto& [error, count] : errors_of(run))
    text += std::to_string(count) + " failed: " + error + "\n";
  return text;
}

ordered_json json_of(const ServingRun& run, bool detailed) {
  const ServingMetrics& metrics = run.metrics;
  ordered_json json{
      {"date", local_date()},
      {"endpoint_type", "openai"},
      {"backend", "openai"},
      {"base_url", run.base_url},
      {"endpoint", run.endpoint},
      {"model_id", run.model_id},
      {"dataset_name", run.dataset_name},
      {"num_prompts", run.exchanges.size()},
      {"request_rate", run.request_rate ? ordered_json(*run.request_rate) : ordered_json("inf")},
      {"burstiness", run.burstiness},
      {"max_concurrency",
       run.max_concurrency > 0 ? ordered_json(run.max_concurrency) : ordered_json(nullptr)},
      {"duration", run.duration},
      {"completed", metrics.completed},
      {"failed", metrics.failed},
      {"total_input_tokens", metrics.total_input},
      {"total_output_tokens", metrics.total_output},
      {"request_throughput", metrics.request_throughput},
      {"request_goodput", run.has_objectives ? ordered_json(metrics.request_goodput) : ordered_json(nullptr)},
      {"output_throughput", metrics.output_throughput},
      {"total_token_throughput", metrics.total_token_throughput},
      {"max_output_tokens_per_s", metrics.max_output_tokens_per_s},
      {"max_concurrent_requests", metrics.max_concurrent_requests},
      {"client_cpu_seconds", run.client_cpu_seconds}};
  for (const std::string& metric : run.percentile_metrics) {
    const Distribution& times = metrics.times.at(metric);
    json["mean_" + metric + "_ms"] = times.mean;
    json["median_" + metric + "_ms"] = times.median;
    json["std_" + metric + "_ms"] = times.std;
    for (std::size_t i = 0; i < run.metric_percentiles.size(); ++i)
      json["p" + percent_name(run.metric_percentiles[i]) + "_" + metric + "_ms"] = times.percentiles[i];
  }
  if (detailed) add_details(json, run);
  return json;
}

}  // namespace troupe::launch::load
