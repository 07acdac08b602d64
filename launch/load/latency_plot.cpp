#include "launch/load/latency_plot.hpp"

#include <algorithm>

namespace troupe::launch::load {
namespace {

constexpr double chart_width = 640, chart_height = 220;  // CSS pixels
constexpr std::size_t points = 200;                      // of a curve

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text)
    if (c == '<')
      out += "&lt;";
    else if (c == '&')
      out += "&amp;";
    else
      out += c;
  return out;
}

// An SVG of the cumulative distribution, milliseconds by percent.
std::string curve(const std::string& title, std::vector<double> seconds) {
  if (seconds.empty()) return "";
  std::sort(seconds.begin(), seconds.end());
  const double longest = std::max(seconds.back(), 1e-9);
  std::string line;
  for (std::size_t i = 0; i <= points; ++i) {
    const double part = double(i) / points;
    line += number(percentile(seconds, part * 100) / longest * chart_width) + "," +
            number((1 - part) * chart_height) + " ";
  }
  return "<h2>" + title + "</h2>\n<svg viewBox=\"-40 -10 720 260\" width=\"720\">\n<rect width=\"" +
         number(chart_width) + "\" height=\"" + number(chart_height) +
         "\" fill=\"none\" stroke=\"#999\"/>\n<polyline fill=\"none\" stroke=\"#06c\" points=\"" + line +
         "\"/>\n<text x=\"-36\" y=\"8\">100 %</text><text x=\"-36\" y=\"220\">0</text>"
         "<text x=\"0\" y=\"238\">0</text><text x=\"640\" y=\"238\" text-anchor=\"end\">" +
         number(longest * 1e3) + " ms</text>\n</svg>\n";
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
  return "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>troupe bench serve</title>\n"
         "<style>body { font-family: sans-serif } text { font-size: 11px }</style>\n<h1>" +
         escaped(run.model_id + " at " + run.base_url) + "</h1>\n" + curve("Time to first token", ttft) +
         curve("Inter-token latency", itl) + curve("End-to-end latency", e2el) + "<pre>" +
         escaped(table_of(run)) + "</pre>\n</html>\n";
}

}  // namespace troupe::launch::load
