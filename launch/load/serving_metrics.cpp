#include "launch/load/serving_metrics.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

#include "config/setting.hpp"

namespace troupe::launch::load {
namespace {

// Of one output token after the first; an answer of one token takes none.
double time_per_output_token(const Exchange& exchange) {
  return exchange.output_len > 1 ? (exchange.latency - exchange.ttft) / (exchange.output_len - 1) : 0;
}

bool is_good(const Exchange& exchange, const Objectives& objectives) {
  return std::all_of(objectives.begin(), objectives.end(), [&](const auto& each) {
    const double seconds = each.first == "ttft"   ? exchange.ttft
                           : each.first == "tpot" ? time_per_output_token(exchange)
                                                  : exchange.latency;
    return seconds * 1e3 <= each.second;
  });
}

double peak_tokens(std::span<const Exchange* const> completed) {
  std::map<std::int64_t, std::int64_t> by_second;
  double first = std::numeric_limits<double>::max();
  for (const Exchange* each : completed) first = std::min(first, each->start);
  for (const Exchange* each : completed) {
    double at = each->start + each->ttft - first;
    ++by_second[std::int64_t(at)];
    for (const double gap : each->itl) ++by_second[std::int64_t(at += gap)];
  }
  std::int64_t most = 0;
  for (const auto& [second, tokens] : by_second) most = std::max(most, tokens);
  return double(most);
}

std::int32_t peak_requests(std::span<const Exchange* const> completed) {
  std::vector<std::pair<double, int>> changes;  // one that leaves comes before one that arrives at that time
  for (const Exchange* each : completed) {
    changes.emplace_back(each->start, 1);
    changes.emplace_back(each->start + each->latency, -1);
  }
  std::sort(changes.begin(), changes.end());
  std::int32_t running = 0, most = 0;
  for (const auto& [at, change] : changes) most = std::max(most, running += change);
  return most;
}

void measure_times(ServingMetrics& metrics, std::span<const Exchange* const> completed,
                   std::span<const double> percents) {
  std::vector<double> ttft, tpot, itl, e2el;
  for (const Exchange* each : completed) {
    ttft.push_back(each->ttft);
    if (each->output_len > 1) tpot.push_back(time_per_output_token(*each));
    itl.insert(itl.end(), each->itl.begin(), each->itl.end());
    e2el.push_back(each->latency);
  }
  metrics.times["ttft"] = distribution(std::move(ttft), percents);
  metrics.times["tpot"] = distribution(std::move(tpot), percents);
  metrics.times["itl"] = distribution(std::move(itl), percents);
  metrics.times["e2el"] = distribution(std::move(e2el), percents);
}

}  // namespace

double percentile(std::span<const double> values, double percent) {
  const double place = percent / 100 * double(values.size() - 1);
  const auto below = std::size_t(place);
  const double above = values[std::min(below + 1, values.size() - 1)];
  return values[below] + (above - values[below]) * (place - double(below));
}

Distribution distribution(std::vector<double> seconds, std::span<const double> percents) {
  Distribution result;
  if (seconds.empty()) seconds.push_back(0);
  std::sort(seconds.begin(), seconds.end());
  const auto count = double(seconds.size());
  const double mean = std::accumulate(seconds.begin(), seconds.end(), 0.0) / count;
  double squares = 0;
  for (const double each : seconds) squares += (each - mean) * (each - mean);
  result.mean = mean * 1e3;
  result.median = percentile(seconds, 50) * 1e3;
  result.std = std::sqrt(squares / count) * 1e3;
  for (const double each : percents) result.percentiles.push_back(percentile(seconds, each) * 1e3);
  return result;
}

Objectives parse_objectives(const std::vector<std::string>& texts) {
  Objectives objectives;
  for (const std::string& text : texts) {
    const auto colon = std::min(text.find(':'), text.size());
    const std::string name = text.substr(0, colon);
    const char* const end = text.data() + text.size();
    double most = 0;
    const auto read = std::from_chars(std::min(text.data() + colon + 1, end), end, most);
    const bool known = name == "ttft" || name == "tpot" || name == "e2el";
    if (!known || read.ec != std::errc() || read.ptr != end || !(most >= 0))
      throw config::UsageError("'" + text + "' is no objective", "--goodput",
                               "such as ttft:500 or tpot:50 or e2el:2000, in milliseconds");
    objectives[name] = most;
  }
  return objectives;
}

ServingMetrics measure(std::span<const Exchange> exchanges, double duration, std::span<const double> percents,
                       const Objectives& objectives) {
  ServingMetrics metrics;
  std::vector<const Exchange*> completed;
  std::int32_t good = 0;
  for (const Exchange& each : exchanges) {
    if (!each.success()) continue;
    completed.push_back(&each);
    metrics.total_input += each.prompt_len;
    metrics.total_output += each.output_len;
    if (!objectives.empty() && is_good(each, objectives)) ++good;
  }
  metrics.completed = std::int32_t(completed.size());
  metrics.failed = std::int32_t(exchanges.size() - completed.size());
  metrics.request_throughput = metrics.completed / duration;
  metrics.request_goodput = good / duration;
  metrics.output_throughput = double(metrics.total_output) / duration;
  metrics.total_token_throughput = double(metrics.total_input + metrics.total_output) / duration;
  metrics.max_output_tokens_per_s = peak_tokens(completed);
  metrics.max_concurrent_requests = peak_requests(completed);
  measure_times(metrics, completed, percents);
  return metrics;
}

}  // namespace troupe::launch::load
