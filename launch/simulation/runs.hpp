// Simulations as the command line asks for them, side by side on its threads. Main thread only.
#pragma once

#include <filesystem>
#include <functional>

#include "launch/simulation/options.hpp"
#include "runtime/lab/step_window.hpp"

namespace troupe::launch::simulation {

// Where a simulation's time went: seconds by part, of steps that only decode and of those with prompts.
struct Explained {
  struct Kind {
    std::uint64_t steps = 0;
    double rows = 0, seconds = 0;
    std::vector<runtime::lab::CostPart> parts{};
    void add(const Kind& other);
  };
  Kind decoding, with_prompts;
};

struct Run {
  std::string policy;
  double rate = 1;                                   // times the trace's
  std::vector<runtime::lab::ServiceReport> reports;  // by seed
  Explained explained;                               // of all of them, if that was asked for
  std::vector<runtime::lab::ShownStep> steps;        // of the first seed, if a plot was asked for
};

struct Capacity {
  std::string policy;
  double factor = 0;               // of the trace's rate; 0: none is low enough
  double requests_per_second = 0;  // that were served at it
};

class Runs {
 public:
  // What is simulated: the profiles, or the measured steps, are read. Throws Error and UsageError.
  Runs(const Options& options, const std::filesystem::path& profiles);

  // By policy, at the rate that was asked for.
  std::vector<Run> run(const std::vector<std::string>& policies) const;
  // At each of these rates, by policy and then by rate.
  std::vector<Run> run(const std::vector<std::string>& policies, const std::vector<double>& rates) const;
  // The highest factor of the rate, within 2 %, at which the attainment holds; as often as it takes to find it.
  Capacity find_capacity(const std::string& policy) const;

  const runtime::SchedulerLimits& limits() const { return settings_.limits; }
  std::int32_t blocks() const { return settings_.blocks; }

 private:
  struct Simulated {
    runtime::lab::ServiceReport report;
    Explained explained;
    std::vector<runtime::lab::ShownStep> steps;
  };

  std::unique_ptr<runtime::lab::Trace> trace(std::uint64_t seed, double rate) const;
  Simulated simulate(const std::string& policy, std::uint64_t seed, double rate, bool details) const;
  // Every seed of each; details: what was asked for besides figures.
  void simulate(std::vector<Run>& runs, bool details) const;

  Options options_;
  std::function<std::unique_ptr<runtime::lab::CostModel>()> make_cost_;  // one for each thread
  runtime::lab::SimulationSettings settings_;
};

}  // namespace troupe::launch::simulation
