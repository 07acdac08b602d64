#include "launch/load/latency_plot.hpp"

#include <algorithm>

#include "launch/plot/chart.hpp"
#include "launch/plot/page.hpp"

namespace troupe::launch::load {
namespace {

constexpr std::size_t points = 200;  // of a curve

// Which part of them took no longer; nothing of no times.
void add_distribution(const std::string& title, std::vector<double> seconds,
                      std::vector<plot::Drawing>& out) {
  if (seconds.empty()) return;
  std::sort(seconds.begin(), seconds.end());
  std::vector<double> quantiles;
  for (std::size_t i = 0; i <= points; ++i)
    quantiles.push_back(1000 * percentile(seconds, 100 * double(i) / points));
  out.push_back(plot::draw({title, {"ms"}, {"% took no longer"}, {plot::distribution("", quantiles, 0)}}));
}

}  // namespace

std::string plot_of(const ServingRun& run) {
  std::vector<double> ttft, itl, e2el;
  for (const Exchange& each : run.exchanges) {
    if (!each.success()) continue;
    ttft.push_back(each.ttft);
    itl.insert(itl.end(), each.itl.begin(), each.itl.end());
    e2el.push_back(each.latency);
  }
  plot::Page page{"troupe bench serve", run.model_id + " at " + run.base_url, {{}}, table_of(run)};
  add_distribution("Time to first token", ttft, page.rows.front());
  add_distribution("Inter-token latency", itl, page.rows.front());
  add_distribution("End-to-end latency", e2el, page.rows.front());
  return html_of(page);
}

}  // namespace troupe::launch::load
