#include "launch/simulation/plots.hpp"

#include <algorithm>

#include "launch/plot/chart.hpp"
#include "launch/plot/page.hpp"
#include "launch/simulation/step_chart.hpp"
#include "launch/simulation/tables.hpp"

namespace troupe::launch::simulation {
namespace {

using plot::Chart;
using plot::Curve;
using plot::Drawing;
using runtime::lab::Quantiles;
using runtime::lab::ServiceReport;

constexpr std::size_t points = 200;         // of a distribution
constexpr std::size_t most_dashed_too = 4;  // policies whose medians are drawn beside their 99th percentiles

struct Time {
  std::string name;
  Quantiles ServiceReport::*of;
};
const std::vector<Time>& times() {
  static const std::vector<Time> all{{"Time to first token", &ServiceReport::ttft},
                                     {"Time per output token", &ServiceReport::tpot},
                                     {"End to end", &ServiceReport::latency}};
  return all;
}

// Over the seeds.
template <class Figure>
double mean(const Run& run, Figure of) {
  double sum = 0;
  for (const ServiceReport& each : run.reports) sum += of(each);
  return sum / double(run.reports.size());
}

double milliseconds(const Run& run, const Time& time, double q) {
  return 1000 * mean(run, [&](const ServiceReport& report) { return (report.*time.of).at(q); });
}

double load(const Run& run) {  // requests a second that came
  return mean(run, [](const ServiceReport& report) {
    return report.arriving > 0 ? double(report.served + report.refused) / report.arriving : 0;
  });
}

std::vector<std::string> policies_of(const std::vector<Run>& runs) {
  std::vector<std::string> policies;
  for (const Run& each : runs)
    if (!std::ranges::count(policies, each.policy)) policies.push_back(each.policy);
  return policies;
}

Drawing against_load(const Time& time, const std::vector<Run>& loads) {
  const auto policies = policies_of(loads);
  const bool medians = policies.size() <= most_dashed_too;
  Chart chart{time.name + (medians ? ": p99, and p50 (dashed)" : ": p99"),
              {"requests/s that come"},
              {"ms", true},
              {}};
  for (std::size_t i = 0; i < policies.size(); ++i)
    for (const double q : {0.99, 0.5}) {
      if (q == 0.5 && !medians) continue;
      Curve curve{q == 0.5 ? "" : policies[i], {}, i, q == 0.5, true};
      for (const Run& each : loads)
        if (each.policy == policies[i]) curve.points.emplace_back(load(each), milliseconds(each, time, q));
      chart.curves.push_back(std::move(curve));
    }
  return plot::draw(chart);
}

Drawing distribution_of(const Time& time, const std::vector<Run>& runs) {
  Chart chart{time.name, {"ms", true}, {"% of requests took no longer"}, {}};
  for (std::size_t i = 0; i < runs.size(); ++i) {
    std::vector<double> quantiles;
    for (std::size_t j = 0; j <= points; ++j)
      quantiles.push_back(milliseconds(runs[i], time, double(j) / points));
    chart.curves.push_back(plot::distribution(runs[i].policy, quantiles, i));
  }
  return plot::draw(chart);
}

}  // namespace

std::string plot_of(const std::string& heading, const std::vector<Run>& runs, const std::vector<Run>& loads,
                    bool svg) {
  plot::Page page{"troupe simulate", heading, {{}, {}}, table_of(runs)};
  for (const Time& time : times()) {
    page.rows[0].push_back(against_load(time, loads));
    page.rows[1].push_back(distribution_of(time, runs));
  }
  for (const Run& each : runs) page.rows.push_back({draw_steps("Steps under " + each.policy, each.steps)});
  return svg ? svg_of(page) : html_of(page);
}

}  // namespace troupe::launch::simulation
