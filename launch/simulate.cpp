#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "launch/command_line.hpp"
#include "launch/own_data.hpp"
#include "launch/policy_settings.hpp"
#include "launch/simulation/plots.hpp"
#include "launch/simulation/replay.hpp"
#include "launch/simulation/soak.hpp"
#include "launch/simulation/tables.hpp"
#include "launch/subcommands.hpp"

namespace troupe::launch {
namespace {

using nlohmann::ordered_json;

constexpr config::Page page{
    .command = "simulate",
    .summary = "tries batch policies on traces, without a model",
    .description =
        "Serves the requests of a trace with the scheduler, the policies and the block pools of troupe serve, before "
        "ranks of which only the time that they take is real: a model of costs says how long each step is on a "
        "machine that need not be there. Prints how requests were served: time to first token (TTFT), per output "
        "token (TPOT), the longest gap between two tokens, the whole answer, and the wait for the first step.\n\n"
        "The largest difference of service is that between two callers while both had somebody waiting, in tokens: a "
        "token of an answer counts as two.",
    .examples =
        "$ troupe simulate --trace splitwise_conv.csv -tp 8 --policy decode_first --explain\n"
        "$ troupe simulate --trace splitwise_conv.csv -tp 8 --compare fcfs,prefill_first,decode_first --rate 2\n"
        "$ troupe simulate --request-rate 4 --input-len 2000 --output-len 300 -dp 8 -ep --find-capacity "
        "--ttft-slo-ms 2000 --tpot-slo-ms 50\n"
        "$ troupe simulate --request-rate 40 --turns 4 -tp 8 --replicas 8 --router prefix_aware --fail 20 --seeds 5\n"
        "$ troupe simulate --trace splitwise_conv.csv -tp 8 --compare fcfs,decode_first --plot policies.html\n"
        "$ troupe simulate --replay schedule --compare fcfs,vtc\n"
        "$ troupe simulate --soak 1000",
};

std::string heading_of(const simulation::Options& o, const runtime::lab::ServiceReport& report) {
  const std::string requests = o.trace.empty()
                                   ? "requests that were drawn"
                                   : "requests of " + std::filesystem::path(o.trace).filename().string();
  const std::string machine =
      o.steps.empty() ? o.model_profile + " on " + o.machine_profile : "steps as in " + o.steps;
  return std::to_string(report.served + report.refused) + " " + requests + "; " + machine + ", " +
         std::to_string(o.deployment.tensor_parallel_size) + " x " +
         std::to_string(o.deployment.data_parallel_size) + " ranks" +
         (o.replicas > 1 ? ", " + std::to_string(o.replicas) + " replicas by " + o.router : "");
}

void plot(const simulation::Options& options, const simulation::Runs& runs,
          const std::vector<simulation::Run>& found, const std::vector<std::string>& policies) {
  const auto loads = runs.run(policies, simulation::plot_rates_of(options));
  std::ofstream out(options.plot, std::ios::binary);
  out << simulation::plot_of(heading_of(options, found.front().reports.front()), found, loads,
                             options.plot.ends_with(".svg"));
  if (!out.flush()) throw Error("cannot be written", options.plot);
}

int show_replay(const simulation::Options& options, const std::vector<std::string>& policies) {
  const simulation::Replayed replayed = simulation::replay(options, policies);
  if (options.json) {
    ordered_json json{
        {"notes", replayed.notes}, {"blocks", replayed.blocks}, {"policies", ordered_json::array()}};
    for (const auto& each : replayed.runs) json["policies"].push_back(simulation::json_of(each));
    std::cout << json.dump(2) << "\n";
    return 0;
  }
  for (const std::string& each : replayed.notes) std::cout << each << "\n";
  std::cout << replayed.blocks << " KV blocks of " << replayed.block_size << " tokens a group\n"
            << simulation::table_of(replayed.runs);
  return 0;
}

void print(const simulation::Options& options, const simulation::Runs& runs,
           const std::vector<simulation::Run>& found, const std::vector<simulation::Capacity>& capacities) {
  if (options.json) {
    ordered_json json{{"blocks", runs.blocks()}, {"policies", ordered_json::array()}};
    for (const auto& each : found) json["policies"].push_back(simulation::json_of(each));
    for (const auto& each : capacities) json["policies"].push_back(simulation::json_of(each));
    std::cout << json.dump(2) << std::endl;
    return;
  }
  std::cout << runs.blocks() << " KV blocks of " << runs.limits().block_size << " tokens a group\n";
  std::cout << (options.find_capacity ? simulation::table_of(capacities) : simulation::table_of(found));
  if (options.explain)
    for (const auto& each : found)
      std::cout << "\n" << each.policy << "\n" << simulation::explanation_of(each.explained);
  std::cout << std::flush;
}

int soak(const simulation::Options& options) {
  const auto known = runtime::lab::soaked_policies();
  const auto policies = options.compare.empty() ? known : simulation::policies_of(options, known);
  const auto soaked = simulation::soak(options, policies);
  std::cout << simulation::table_of(soaked);
  return std::ranges::all_of(soaked, [](const auto& each) { return each.broken.empty(); }) ? 0 : 1;
}

}  // namespace

int simulate(const Arguments& arguments) {
  simulation::Options options;
  config::Table table = simulation::options_table(options, runtime::policy_names());
  if (!read_command_line(page, table, arguments)) return 0;
  simulation::complete(options);
  load_plugins(options.deployment.policy_plugin);
  const auto known = runtime::policy_names();
  if (!options.replay.empty()) return show_replay(options, simulation::policies_of(options, known));
  if (options.soak > 0) return soak(options);
  const auto policies = simulation::policies_of(options, known);
  const simulation::Runs runs(options, own_data("profiles", TROUPE_PROFILES));
  std::vector<simulation::Run> found;
  std::vector<simulation::Capacity> capacities;
  if (options.find_capacity)
    for (const std::string& policy : policies) capacities.push_back(runs.find_capacity(policy));
  else
    found = runs.run(policies);
  print(options, runs, found, capacities);
  if (!options.plot.empty()) plot(options, runs, found, policies);
  return 0;
}

}  // namespace troupe::launch
