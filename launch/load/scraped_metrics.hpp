// A page of /metrics, in Prometheus' text format, as somebody who asks for figures reads it. Plain values; any thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::launch::load {

struct MetricSample {
  std::string name;
  std::map<std::string, std::string> labels;
  double value = 0;
};

class ScrapedMetrics {
 public:
  ScrapedMetrics() = default;
  // Throws Error, with the line, for what is no such page.
  explicit ScrapedMetrics(std::string_view page);

  const std::vector<MetricSample>& samples() const { return samples_; }
  bool has(std::string_view name) const;
  // Of all samples of that name which have these labels, of whatever else; 0 where there is none.
  using Labels = std::map<std::string, std::string>;
  double sum(std::string_view name, const Labels& labels = {}) const;
  // The largest and smallest of them; nothing where there is none.
  std::optional<double> largest(std::string_view name) const;
  std::optional<double> smallest(std::string_view name) const;
  // Below which so much of what a histogram has seen lies, 0 < part < 1: linear within a bucket, as Prometheus'
  // histogram_quantile has it. Nothing where it has seen nothing.
  std::optional<double> quantile(std::string_view histogram, double part) const;

 private:
  std::vector<MetricSample> samples_;
};

}  // namespace troupe::launch::load
