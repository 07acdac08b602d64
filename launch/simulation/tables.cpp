#include "launch/simulation/tables.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>

#include "launch/simulation/estimate.hpp"
#include "runtime/base/hex.hpp"

namespace troupe::launch::simulation {
namespace {

using nlohmann::ordered_json;
using runtime::lab::Quantiles;
using runtime::lab::ServiceReport;

struct Figure {
  std::string name, key;  // for people, for machines
  std::function<double(const ServiceReport&)> of;
  int digits = 0;  // behind the point, for people
};

void add_times(std::vector<Figure>& figures, const std::string& name, const std::string& key,
               Quantiles ServiceReport::*times) {
  for (const auto& [q, percent] : {std::pair(0.5, "50"), std::pair(0.9, "90"), std::pair(0.99, "99")})
    figures.push_back({name + " p" + percent + " (ms)", "p" + std::string(percent) + "_" + key + "_ms",
                       [times, q](const ServiceReport& r) { return (r.*times).at(q) * 1000; }, 1});
  figures.push_back({name + " mean (ms)", "mean_" + key + "_ms",
                     [times](const ServiceReport& r) { return (r.*times).mean() * 1000; }, 1});
}

double share(double part, double whole) {
  return whole > 0 ? part / whole : 0;
}

std::vector<Figure> all_figures() {
  using R = const ServiceReport&;
  std::vector<Figure> figures{
      {"requests served", "completed", [](R r) { return double(r.served); }},
      {"refused", "refused", [](R r) { return double(r.refused); }},
      {"duration (s)", "duration", [](R r) { return r.seconds; }, 1},
      {"requests/s", "request_throughput", [](R r) { return share(double(r.served), r.seconds); }, 2},
      {"good requests/s", "request_goodput", [](R r) { return r.goodput(); }, 2},
      {"good (%)", "good_percent",
       [](R r) { return 100 * share(double(r.good), double(r.served + r.refused)); }, 1},
      {"output tokens/s", "output_throughput", [](R r) { return r.throughput(); }, 0},
      {"prompt tokens cached (%)", "cached_percent",
       [](R r) { return 100 * share(double(r.cached_tokens), double(r.prompt_tokens)); }, 1},
      {"deaths of ranks", "rank_deaths", [](R r) { return double(r.deaths); }},
      {"sequences interrupted", "interrupted", [](R r) { return double(r.interrupted); }},
      {"output tokens replayed", "replayed_tokens", [](R r) { return double(r.replayed_tokens); }},
      {"preemptions", "preemptions", [](R r) { return double(r.preemptions); }},
      {"steps", "steps", [](R r) { return double(r.steps); }},
      {"computing (%)", "computing_percent", [](R r) { return 100 * share(r.computing, r.seconds); }, 1},
      {"most requests at a time", "max_concurrent_requests", [](R r) { return double(r.most_live); }},
      {"largest difference of service", "largest_service_difference",
       [](R r) { return r.largest_service_difference; }},
  };
  add_times(figures, "TTFT", "ttft", &ServiceReport::ttft);
  add_times(figures, "TPOT", "tpot", &ServiceReport::tpot);
  add_times(figures, "longest gap", "longest_gap", &ServiceReport::longest_gap);
  add_times(figures, "end to end", "e2el", &ServiceReport::latency);
  add_times(figures, "queueing", "queueing", &ServiceReport::queueing);
  add_times(figures, "step", "step", &ServiceReport::step);
  return figures;
}

Estimate estimate_of(const Figure& figure, const std::vector<ServiceReport>& reports) {
  std::vector<double> values;
  for (const ServiceReport& each : reports) values.push_back(figure.of(each));
  return estimate(values);
}

std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string left(const std::string& text, std::size_t width) {
  return text + std::string(width - std::min(width, text.size()), ' ');
}
std::string right(const std::string& text, std::size_t width) {
  return std::string(width - std::min(width, text.size()), ' ') + text;
}

constexpr std::size_t name_width = 32, column_width = 16;

std::string explanation_of(const char* title, const Explained::Kind& kind) {
  if (kind.steps == 0) return "";
  const auto steps = double(kind.steps);
  std::string text = std::string(title) + ": " + std::to_string(kind.steps) + " steps of " +
                     fixed(kind.rows / steps, 1) + " rows, " + fixed(1000 * kind.seconds / steps, 2) +
                     " ms each\n";
  for (const auto& part : kind.parts)
    text += "  " + left(part.name, name_width - 2) +
            right(fixed(1000 * part.seconds / steps, 3), column_width) + " ms" +
            right(fixed(100 * share(part.seconds, kind.seconds), 1), 8) + " %\n";
  return text;
}

}  // namespace

std::string table_of(const std::vector<Run>& runs) {
  std::string text = left("", name_width);
  for (const Run& run : runs) text += right(run.policy, column_width);
  text += "\n";
  for (const Figure& figure : all_figures()) {
    text += left(figure.name, name_width);
    for (const Run& run : runs) {
      const Estimate found = estimate_of(figure, run.reports);
      std::string cell = fixed(found.mean, figure.digits);
      if (run.reports.size() > 1) cell += " +-" + fixed(found.half_width, figure.digits);
      text += right(" " + cell, column_width);
    }
    text += "\n";
  }
  return text;
}

std::string table_of(const std::vector<Capacity>& capacities) {
  std::string text =
      left("", name_width) + right("rate factor", column_width) + right("requests/s", column_width) + "\n";
  for (const Capacity& each : capacities)
    text += left(each.policy, name_width) + right(fixed(each.factor, 3), column_width) +
            right(fixed(each.requests_per_second, 2), column_width) + "\n";
  return text;
}

std::string explanation_of(const Explained& explained) {
  return explanation_of("decoding alone", explained.decoding) +
         explanation_of("with prompts", explained.with_prompts);
}

ordered_json json_of(const Run& run) {
  ordered_json json{{"policy", run.policy}, {"seeds", run.reports.size()}};
  for (const Figure& figure : all_figures()) {
    const Estimate found = estimate_of(figure, run.reports);
    json[figure.key] = found.mean;
    if (run.reports.size() > 1) json[figure.key + "_half_width"] = found.half_width;
  }
  for (const ServiceReport& each : run.reports)
    json["schedules"].push_back(hex(std::as_bytes(std::span(&each.schedule, 1))));
  const auto parts = [&](const char* name, const Explained::Kind& kind) {
    if (kind.steps == 0) return;
    json["explained"][name] = {{"steps", kind.steps}, {"rows", kind.rows}, {"seconds", kind.seconds}};
    for (const auto& part : kind.parts) json["explained"][name]["parts"][part.name] = part.seconds;
  };
  parts("decoding", run.explained.decoding);
  parts("with_prompts", run.explained.with_prompts);
  return json;
}

ordered_json json_of(const Capacity& capacity) {
  return {{"policy", capacity.policy},
          {"rate_factor", capacity.factor},
          {"requests_per_second", capacity.requests_per_second}};
}

}  // namespace troupe::launch::simulation
