#include "launch/simulation/runs.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "config/speculation.hpp"
#include "kernels/entry_form.hpp"
#include "runtime/base/thread_pool.hpp"
#include "runtime/lab/step_record.hpp"
#include "runtime/lab/trace_file.hpp"

namespace troupe::launch::simulation {
namespace {

using namespace runtime::lab;

constexpr std::int32_t default_context = 32'768;  // tokens

constexpr std::size_t shown_steps = 100;  // in a plot

void add(Explained::Kind& kind, const SimulatedStep& step, const CostModel& cost) {
  // The group that computes longest is what the others wait for.
  const auto seconds = [&](const StepLoad& load) { return cost.step(load).compute_seconds; };
  const StepLoad& load = *std::ranges::max_element(step.loads, {}, seconds);
  ++kind.steps;
  kind.rows += load.rows;
  kind.seconds += step.ends - step.begins;
  const auto parts = cost.explain(load);
  if (kind.parts.empty()) kind.parts.resize(parts.size());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    kind.parts[i].name = parts[i].name;
    kind.parts[i].seconds += parts[i].seconds;
  }
}

// As the profile says, but for a type of cache that is set.
config::ModelShape model_shape(const Options& options, const std::filesystem::path& folder) {
  config::ModelShape shape = config::read_model_shape(options.model_profile, folder);
  if (const auto type = kernels::cache_type_of(options.deployment.kv_cache_dtype)) {
    const auto entry = kernels::latent_entry(*type, shape.kv_lora_rank, shape.qk_rope_head_dim);
    shape.cache_bytes = double(entry.bytes()) / double(entry.head_elements());
  }
  return shape;
}

}  // namespace

void Explained::Kind::add(const Kind& other) {
  steps += other.steps;
  rows += other.rows;
  seconds += other.seconds;
  if (parts.empty())
    parts = other.parts;
  else
    for (std::size_t i = 0; i < other.parts.size(); ++i) parts[i].seconds += other.parts[i].seconds;
}

Runs::Runs(const Options& options, const std::filesystem::path& profiles) : options_(options) {
  const config::Settings& deployment = options.deployment;
  settings_.limits = deployment.scheduler;
  settings_.limits.max_model_len = deployment.max_model_len.value_or(default_context);
  settings_.limits.speculation = config::speculation_of(deployment);
  settings_.limits.prefix_caching &= trace(0, 1)->shares_prefixes();  // else it finds nothing, and costs time
  settings_.groups = deployment.data_parallel_size;
  settings_.levels = options.levels;
  settings_.turnaround = options.turnaround;
  settings_.delivery = options.delivery;
  settings_.replicas = options.replicas;
  settings_.router = options.router;
  settings_.deaths_per_hour = options.deaths_per_hour;
  if (!options.steps.empty()) {
    const FittedCost cost(read_steps(options.steps).steps);
    settings_.acceptance = options.acceptance.value_or(0);
    settings_.blocks = options.num_gpu_blocks.value();
    settings_.recovery_seconds = options.recovery_seconds.value_or(0);
    make_cost_ = [cost] { return std::make_unique<FittedCost>(cost); };
    return;
  }
  const std::filesystem::path folder =
      options.profiles.empty() ? profiles : std::filesystem::path(options.profiles);
  const config::Machine machine = config::read_machine(options.machine_profile, folder);
  const AnalyticCost cost(
      model_shape(options, folder), machine,
      {deployment.tensor_parallel_size, deployment.data_parallel_size, deployment.enable_expert_parallel});
  settings_.acceptance = options.acceptance.value_or(cost.acceptance());
  settings_.blocks =
      options.num_gpu_blocks ? *options.num_gpu_blocks : cost.blocks(settings_.limits.block_size);
  settings_.recovery_seconds = options.recovery_seconds.value_or(
      machine.recovery_seconds + cost.weight_bytes() / machine.weights_bandwidth);
  make_cost_ = [cost] { return std::make_unique<AnalyticCost>(cost); };
}

std::unique_ptr<Trace> Runs::trace(std::uint64_t seed, double rate) const {
  const auto open = [&options = options_, seed]() -> std::unique_ptr<Trace> {
    if (!options.trace.empty()) return open_trace(options.trace);
    GeneratorSettings settings = options.generator;
    settings.seed += seed;
    return std::make_unique<Generator>(settings);
  };
  return std::make_unique<TraceWindow>(open, std::uint64_t(options_.num_requests), rate,
                                       std::uint64_t(options_.repeat));
}

Runs::Simulated Runs::simulate(const std::string& policy, std::uint64_t seed, double rate,
                               bool details) const {
  SimulationSettings settings = settings_;
  settings.seed = std::uint64_t(options_.seed) + seed;
  settings.make_policy = [policy, options = options_.deployment.policy_option] {
    return runtime::make_policy(policy, options);
  };
  const auto requests = trace(seed, rate);
  const ServedCost cost(make_cost_(), options_.step_overhead);
  Simulation simulation(settings, *requests, cost);
  Explained explained;
  StepWindow window(shown_steps);
  const bool shows = details && !options_.plot.empty() && seed == 0, explains = details && options_.explain;
  if (shows || explains)
    simulation.on_step = [&](const SimulatedStep& step) {
      if (shows) window.add(step, simulation);
      if (!explains) return;
      const bool prompts = std::ranges::any_of(step.plans, [](const runtime::StepPlan& plan) {
        return std::ranges::any_of(plan.extend,
                                   [](const runtime::Extend& part) { return part.rows > 1 + part.drafts; });
      });
      add(prompts ? explained.with_prompts : explained.decoding, step, cost);
    };
  ServiceReport report = simulation.run();
  return {std::move(report), std::move(explained), window.shown()};
}

// Each seed of a run has its place, so that the order in which threads are done does not matter.
void Runs::simulate(std::vector<Run>& runs, bool details) const {
  const auto seeds = std::size_t(options_.seeds);
  std::vector<std::optional<Simulated>> found(runs.size() * seeds);
  const int threads = options_.threads > 0 ? options_.threads : usable_cpus();
  ThreadPool pool(int(std::min(std::size_t(threads), found.size())));
  pool.parallel_for(std::int64_t(found.size()), 1, [&](std::int64_t begin, std::int64_t) {
    const auto i = std::size_t(begin);
    const Run& run = runs[i / seeds];
    found[i] = simulate(run.policy, i % seeds, run.rate, details);
  });
  for (std::size_t i = 0; i < found.size(); ++i) {
    Run& run = runs[i / seeds];
    run.reports.push_back(std::move(found[i]->report));
    run.explained.decoding.add(found[i]->explained.decoding);
    run.explained.with_prompts.add(found[i]->explained.with_prompts);
    if (i % seeds == 0) run.steps = std::move(found[i]->steps);
  }
}

std::vector<Run> Runs::run(const std::vector<std::string>& policies) const {
  std::vector<Run> runs;
  for (const std::string& policy : policies) runs.push_back({policy, options_.rate, {}, {}, {}});
  simulate(runs, true);
  return runs;
}

std::vector<Run> Runs::run(const std::vector<std::string>& policies, const std::vector<double>& rates) const {
  std::vector<Run> runs;
  for (const std::string& policy : policies)
    for (double rate : rates) runs.push_back({policy, rate * options_.rate, {}, {}, {}});
  simulate(runs, false);
  return runs;
}

Capacity Runs::find_capacity(const std::string& policy) const {
  constexpr double precision = 1.02, lowest = 1e-3, highest = 1e6;
  Capacity best{policy};
  const auto holds = [&](double factor) {
    std::vector<Run> runs{{policy, factor, {}, {}, {}}};
    simulate(runs, false);
    double good = 0, all = 0, rate = 0;
    for (const ServiceReport& report : runs.front().reports) {
      good += double(report.good);
      all += double(report.served + report.refused);
      rate += report.seconds > 0 ? double(report.served) / report.seconds / options_.seeds : 0;
    }
    if (good < options_.attainment * all) return false;
    best = {policy, factor, rate};
    return true;
  };
  double low = options_.rate, high = options_.rate;
  if (holds(low)) {
    while (high < highest && holds(high *= 2)) low = high;
  } else {
    while (low > lowest && !holds(low /= 2)) high = low;
    if (best.factor == 0) return best;
  }
  while (high / low > precision) {
    const double middle = std::sqrt(low * high);
    (holds(middle) ? low : high) = middle;
  }
  return best;
}

}  // namespace troupe::launch::simulation
