#include "launch/load/scraped_metrics.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>

#include "launch/server_answer.hpp"
#include "runtime/base/error.hpp"

namespace troupe::launch::load {
namespace {

// A line such as `troupe_faults_total{kind="death",rank="1"} 2 1700000000`; the time at its end may be missing.
class SampleLine {
 public:
  explicit SampleLine(std::string_view line) : line_(line) {}

  MetricSample read() {
    MetricSample sample;
    while (!done() && (std::isalnum(static_cast<unsigned char>(next())) || next() == '_' || next() == ':'))
      sample.name += take();
    if (sample.name.empty()) refuse();
    if (!done() && next() == '{') read_labels(sample.labels);
    sample.value = read_value();
    return sample;
  }

 private:
  bool done() const { return at_ == line_.size(); }
  char next() const { return line_[at_]; }
  char take() {
    if (done()) refuse();
    return line_[at_++];
  }
  [[noreturn]] void refuse() const {
    throw Error("is no line of Prometheus' text format: " + one_line(std::string(line_)), "/metrics");
  }

  void read_labels(ScrapedMetrics::Labels& labels) {
    take();
    while (!done() && next() != '}') {
      std::string name;
      while (!done() && next() != '=') name += take();
      take();
      if (take() != '"') refuse();
      labels[name] = read_text();
      if (!done() && next() == ',') take();
    }
    take();
  }

  std::string read_text() {
    std::string text;
    for (char c = take(); c != '"'; c = take()) {
      if (c == '\\') {
        const char escaped = take();
        text += escaped == 'n' ? '\n' : escaped;
      } else {
        text += c;
      }
    }
    return text;
  }

  double read_value() const {
    const std::string rest(line_.substr(at_));
    char* end = nullptr;
    const double value = std::strtod(rest.c_str(), &end);
    if (end == rest.c_str()) refuse();
    return value;
  }

  const std::string_view line_;
  std::size_t at_ = 0;
};

bool has_all(const ScrapedMetrics::Labels& labels, const ScrapedMetrics::Labels& wanted) {
  return std::ranges::all_of(wanted, [&](const auto& each) {
    const auto found = labels.find(each.first);
    return found != labels.end() && found->second == each.second;
  });
}

}  // namespace

ScrapedMetrics::ScrapedMetrics(std::string_view page) {
  while (!page.empty()) {
    const auto end = std::min(page.find('\n'), page.size());
    std::string_view line = page.substr(0, end);
    page.remove_prefix(std::min(end + 1, page.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty() && line.front() != '#') samples_.push_back(SampleLine(line).read());
  }
}

bool ScrapedMetrics::has(std::string_view name) const {
  return std::ranges::find(samples_, name, &MetricSample::name) != samples_.end();
}

double ScrapedMetrics::sum(std::string_view name, const Labels& labels) const {
  double sum = 0;
  for (const MetricSample& each : samples_)
    if (each.name == name && has_all(each.labels, labels)) sum += each.value;
  return sum;
}

std::optional<double> ScrapedMetrics::largest(std::string_view name) const {
  std::optional<double> most;
  for (const MetricSample& each : samples_)
    if (each.name == name && !(most && *most >= each.value)) most = each.value;
  return most;
}

std::optional<double> ScrapedMetrics::smallest(std::string_view name) const {
  std::optional<double> least;
  for (const MetricSample& each : samples_)
    if (each.name == name && !(least && *least <= each.value)) least = each.value;
  return least;
}

std::optional<double> ScrapedMetrics::quantile(std::string_view histogram, double part) const {
  std::map<double, double> seen_up_to;  // by the upper end of a bucket, of all label sets together
  const std::string name = std::string(histogram) + "_bucket";
  for (const MetricSample& each : samples_)
    if (const auto end = each.labels.find("le"); each.name == name && end != each.labels.end())
      seen_up_to[std::strtod(end->second.c_str(), nullptr)] += each.value;
  if (seen_up_to.empty() || seen_up_to.rbegin()->second <= 0) return std::nullopt;
  const double rank = part * seen_up_to.rbegin()->second;
  double low = 0, below = 0;
  for (const auto& [high, count] : seen_up_to) {
    if (count >= rank && std::isinf(high)) return low;  // beyond the last end that is a number
    if (count >= rank) return count == below ? low : low + (high - low) * (rank - below) / (count - below);
    low = high;
    below = count;
  }
  return low;
}

}  // namespace troupe::launch::load
