#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "config/settings.hpp"
#include "launch/asked_server.hpp"
#include "launch/command_line.hpp"
#include "launch/doctor/fit.hpp"
#include "launch/doctor/machine_findings.hpp"
#include "launch/doctor/report.hpp"
#include "launch/doctor/service_findings.hpp"
#include "launch/own_data.hpp"
#include "launch/server_answer.hpp"
#include "launch/server_key.hpp"
#include "launch/server_url.hpp"
#include "launch/single_rank.hpp"
#include "launch/sizing/deployment.hpp"
#include "launch/sizing/published.hpp"
#include "launch/stop_signals.hpp"

namespace troupe::launch {
namespace {

using doctor::Findings;
using doctor::Service;
using doctor::Severity;

constexpr int exit_of_warnings = 3;

constexpr config::Page page{
    .command = "doctor",
    .summary = "tells what is wrong with a machine or a server",
    .description =
        "Looks at this machine: memory, huge pages, control groups, NUMA, /dev/shm, memlock, descriptors, driver, NCCL, clock and "
        "ports; and, where a server runs, at its health and metrics. Prints symptoms with what was read and what to do, the "
        "worst first. Nothing is changed.\n\n"
        "Without an argument, the server is the one at --port of this machine, if there is one. With a URL it is that one, and "
        "this machine is looked at only if it is the server's. With a checkpoint, or the name of a published model, it also "
        "tells whether that would fit here. Flags are those that the server has, or would have.",
    .examples =
        "$ troupe doctor\n"
        "$ TROUPE_API_KEY=secret troupe doctor http://node-a:8000\n"
        "$ troupe doctor /models/deepseek-v3 --device cuda -tp 8",
    .exit_status =
        "0 nothing is wrong; 1 something critical is, or nothing could be looked at; 2 wrong flag, variable, URL or name; 3 "
        "there are warnings, and nothing worse."};

struct Options {
  std::string patient;
  bool json = false;
  std::chrono::milliseconds patience{10'000}, interval{2'000};
};

config::Table options_table(Options& o) {
  config::Table table{
      {.name = "patient",
       .target = &o.patient,
       .argument = "URL|CHECKPOINT|NAME",
       .help = "A server, a checkpoint, or the name of a published model.",
       .unset = "this machine, and the server that runs there",
       .positional = true},
      {.name = "json", .target = &o.json, .help = "Print the findings as JSON."},
      server_timeout_setting(o.patience, "For an answer of the server."),
      {.name = "interval",
       .target = &o.interval,
       .argument = "SECONDS",
       .help = "Between two looks at the server's metrics. 0: one look.",
       .range = {0, 3600}},
  };
  for (config::Setting& each : table) each.flag_only = true;
  return table;
}

config::Table settings_table(config::Settings& settings) {
  std::vector<std::string_view> names{"port",    "max-connections",        "device",
                                      "threads", "tensor-parallel-size",   "data-parallel-size",
                                      "nodes",   "enable-expert-parallel", "max-model-len"};
  const auto& more = sizing::memory_flags();
  names.insert(names.end(), more.begin(), more.end());
  config::Table table = config::select(config::schema(settings), names);
  table.insert(table.begin(), server_key_setting(settings));
  return table;
}

ServerUrl own_url(std::uint16_t port) {
  const std::string text = std::to_string(port);
  return {.authority = "127.0.0.1:" + text, .host = "127.0.0.1", .port = text, .path = {}};
}

// How the server is asked.
struct Asking {
  load::Headers headers;
  Duration patience, interval;
};

Service ask(ServerUrl url, const Asking& how) {
  load::Asker asker(std::move(url), how.headers, how.patience);
  return doctor::ask_service(asker, how.interval);
}

// A server that was named, on this machine or another.
Findings of_named_server(const ServerUrl& url, const Asking& how) {
  try {
    const Service service = ask(url, how);
    if (!service.is_own())
      return {{Severity::warning, "health", "What answers is no server of this program.",
               url.authority + ": /health has status " + std::to_string(service.health_status) + "; " +
                   service.no_metrics,
               "the URL is where the API begins, without /v1"}};
    Findings all = doctor::of_service(service);
    if (!config::is_loopback(url.host)) doctor::append(all, doctor::of_host(service));
    return all;
  } catch (const Error& nobody) {
    return {{Severity::critical, "health", "Nobody answers.", one_line(nobody.what()),
             "is troupe serve running there, and its port open? Its log says why it ended"}};
  }
}

// One at the port where it would be, if it is there.
Findings of_local_server(const doctor::PortReadings& ports, std::uint16_t port, const Asking& how,
                         std::string& looked_at) {
  std::optional<Service> service;
  if (std::ranges::binary_search(ports.listened_at, port)) try {
      service = ask(own_url(port), how);
    } catch (const Error&) {  // then it is a stranger
    }
  const bool answers = service && service->is_own();
  if (answers) looked_at += " and the server at port " + std::to_string(port);
  return answers ? doctor::of_service(*service) : doctor::of_port(ports, port, false);
}

doctor::ServerPlan plan_here(const config::Settings& settings) {
  return {.on_gpus = settings.device != "cpu",
          .ranks_here = settings.ranks() / settings.nodes,
          .several_hosts = settings.nodes > 1,
          .threads = settings.threads,
          .connections = settings.edge.connection.connections};
}

Findings of_checkpoint(const std::string& name, const doctor::Machine& machine, config::Settings& settings) {
  const auto checkpoint = sizing::checkpoint_or_published(name, own_data("published", TROUPE_PUBLISHED));
  const std::int32_t context = context_length(settings, checkpoint.config());
  doctor::FitQuestion question{.deployment = sizing::deployment_of(settings, context),
                               .cache_dtype = settings.kv_cache_dtype,
                               .layout = {.tensor_parallel = settings.tensor_parallel_size,
                                          .data_parallel = settings.data_parallel_size,
                                          .expert_parallel = settings.enable_expert_parallel}};
  if (settings.device == "cpu") {
    question.deployment.overhead = 0;
    question.memory_of_rank = machine.memory.limit / std::uint64_t(settings.ranks() / settings.nodes);
    question.memory_from = "this host's, by its ranks";
  } else if (!machine.gpus.memory.empty()) {
    const auto& least = *std::ranges::min_element(machine.gpus.memory, {}, &doctor::GpuMemory::total);
    question.memory_of_rank = least.total;
    question.memory_from = least.name;
    question.gpus = std::int32_t(machine.gpus.memory.size()) * settings.nodes;
  }
  if (question.memory_of_rank > 0) return doctor::of_fit(checkpoint, question);
  return {{Severity::warning, "fit", "It is not known how much memory there is.",
           "neither NVML nor /proc/meminfo tells", "troupe size tells what the model takes"}};
}

}  // namespace

int see_doctor(const Arguments& arguments) {
  config::Settings settings;
  Options options;
  config::Table table = options_table(options);
  config::append(table, settings_table(settings), "SERVER AND DEPLOYMENT");
  if (!read_command_line(page, table, arguments)) return 0;
  config::validate(settings);
  expect_peers_to_leave();
  const Asking how{key_headers(settings), options.patience, options.interval};
  const std::optional<ServerUrl> url =
      is_url(options.patient) ? std::optional(parse_api_url(options.patient)) : std::nullopt;
  Findings findings;
  std::string looked_at;
  if (!url || config::is_loopback(url->host)) {
    const doctor::Machine machine = doctor::read_machine();
    looked_at = "this machine";
    findings = doctor::of_machine(machine, plan_here(settings));
    if (!url) doctor::append(findings, of_local_server(machine.ports, settings.edge.port, how, looked_at));
    if (!url && !options.patient.empty()) {
      doctor::append(findings, of_checkpoint(options.patient, machine, settings));
      looked_at += " and " + options.patient;
    }
  }
  if (url) {
    doctor::append(findings, of_named_server(*url, how));
    looked_at += (looked_at.empty() ? "" : " and ") + std::string("the server at ") + url->authority;
  }
  findings = doctor::worst_first(std::move(findings));
  std::cout << (options.json ? doctor::json_of(findings).dump(2) + "\n"
                             : doctor::text_of(findings, looked_at));
  if (findings.empty() || findings.front().severity == Severity::note) return 0;
  return findings.front().severity == Severity::critical ? 1 : exit_of_warnings;
}

}  // namespace troupe::launch
