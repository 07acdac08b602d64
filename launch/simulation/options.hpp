// The command line of `troupe simulate`. Main thread only.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/settings.hpp"
#include "runtime/lab/analytic_cost.hpp"
#include "runtime/lab/generator.hpp"

namespace troupe::launch::simulation {

struct Options {
  // What is asked
  std::string trace;  // empty: it is drawn
  std::int64_t num_requests = 1000;
  double rate = 1;  // times the trace's own
  std::int64_t repeat = 1;
  std::string replay;  // a recorded schedule, in place of a trace; empty: none
  runtime::lab::GeneratorSettings generator;
  std::string input_distribution = "fixed", output_distribution = "fixed";
  std::int64_t seed = 0;
  std::int32_t seeds = 1;

  // What serves
  std::string policy, compare;  // neither: decode_first, or with --replay none but the recorded one
  std::string model_profile = "deepseek-v3", machine_profile = "h200x8", profiles;
  std::string steps;  // a file of measured ones, in place of profiles; empty: none
  double step_overhead = 0, turnaround = 0, delivery = 0;  // seconds
  std::optional<std::int32_t> num_gpu_blocks;
  std::optional<double> acceptance;
  config::Settings deployment;
  std::int32_t replicas = 1;
  std::string router = "round_robin";
  double deaths_per_hour = 0;  // of ranks, over all replicas
  std::optional<double> recovery_seconds;

  // What is told
  ServiceLevels levels;
  bool find_capacity = false, explain = false, json = false;
  double attainment = 0.9;
  std::string plot;  // a file; empty: none
  std::string plot_rates = "0.25,0.5,0.75,1,1.25,1.5";
  std::int32_t threads = 0;  // 0: as many as there are CPUs
  std::int64_t soak = 0;     // seeds; 0: a trace is simulated
};

// Of lengths that are drawn, in the order of runtime::lab::Lengths.
const std::vector<std::string>& distribution_names();
// Over `options`, which it writes to and which must outlive it.
config::Table options_table(Options& options, const std::vector<std::string>& policies);
// What is permitted, but does not go together: throws UsageError. Then the generator's settings are whole.
void complete(Options& options);
// Of --plot-rates: times the rate; ascending. Throws UsageError for what is none.
std::vector<double> plot_rates_of(const Options& options);
// Of --compare, or the one of --policy. Throws UsageError for one that is not known.
std::vector<std::string> policies_of(const Options& options, const std::vector<std::string>& known);

}  // namespace troupe::launch::simulation
