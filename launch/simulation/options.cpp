#include "launch/simulation/options.hpp"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "config/nearest.hpp"

namespace troupe::launch::simulation {
namespace {

using runtime::lab::Lengths;

constexpr double most_rate = 1'000'000;

Lengths lengths_of(const std::string& name) {
  return Lengths(std::ranges::find(distribution_names(), name) - distribution_names().begin());
}

}  // namespace

const std::vector<std::string>& distribution_names() {
  static const std::vector<std::string> names{"fixed", "uniform", "exponential", "lognormal"};
  return names;
}

void complete(Options& options) {
  options.generator.prompt_lengths = lengths_of(options.input_distribution);
  options.generator.output_lengths = lengths_of(options.output_distribution);
  options.generator.seed = std::uint64_t(options.seed);
  if (!options.replay.empty() && (!options.trace.empty() || options.seeds > 1 || options.find_capacity ||
                                  options.soak > 0 || !options.plot.empty() || options.explain))
    throw config::UsageError("plays one recorded schedule", "--replay",
                             "leave out --trace, --seeds, --find-capacity, --soak, --plot and --explain");
  const bool draws = options.trace.empty() || options.deaths_per_hour > 0 ||
                     (options.replicas > 1 && options.router == "p2c");
  if (options.seeds > 1 && !draws)
    throw config::UsageError("nothing is drawn that would differ", "--seeds", "leave out --trace");
  if (options.deaths_per_hour > 0 && !options.steps.empty() && !options.recovery_seconds)
    throw config::UsageError("says nothing of recovery", "--steps", "give --recovery-seconds");
  if (!options.plot.empty() && !options.plot.ends_with(".html") && !options.plot.ends_with(".svg"))
    throw config::UsageError("is drawn as .html or .svg", "--plot");
  if (!options.plot.empty() && options.find_capacity)
    throw config::UsageError("draws no search", "--plot", "leave out --find-capacity");
  plot_rates_of(options);
  if (!options.steps.empty() && !options.num_gpu_blocks)
    throw config::UsageError("says nothing of memory", "--steps", "give --num-gpu-blocks");
  if (options.find_capacity && options.levels.none())
    throw config::UsageError("says nothing without times that requests must keep", "--find-capacity",
                             "give --ttft-slo-ms, --tpot-slo-ms or --latency-slo-ms");
}

std::vector<double> plot_rates_of(const Options& options) {
  std::vector<double> rates;
  std::istringstream texts(options.plot_rates);
  for (std::string text; std::getline(texts, text, ',');) {
    double rate = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rate);
    const bool whole = error == std::errc() && end == text.data() + text.size();
    if (!whole || !(rate > 0 && rate <= most_rate))
      throw config::UsageError("'" + text + "' is no factor above 0", "--plot-rates");
    rates.push_back(rate);
  }
  if (rates.empty()) throw config::UsageError("names no load", "--plot-rates");
  std::ranges::sort(rates);
  return rates;
}

std::vector<std::string> policies_of(const Options& options, const std::vector<std::string>& known) {
  if (options.compare == "all") return known;
  std::vector<std::string> names;
  const std::string otherwise = options.replay.empty() ? "decode_first" : "";
  std::istringstream words(!options.compare.empty()  ? options.compare
                           : !options.policy.empty() ? options.policy
                                                     : otherwise);
  for (std::string name; std::getline(words, name, ',');) {
    if (!std::ranges::count(known, name))
      throw config::UsageError("'" + name + "' is no policy",
                               options.compare.empty() ? "--policy" : "--compare",
                               "the nearest known one is " + config::nearest(name, known));
    names.push_back(name);
  }
  return names;
}

}  // namespace troupe::launch::simulation
