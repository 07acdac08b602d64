#include <iostream>

#include "config/read.hpp"
#include "config/vllm_flags.hpp"
#include "launch/command_line.hpp"
#include "launch/demo_model.hpp"
#include "launch/identity.hpp"
#include "launch/mpi_serve.hpp"
#include "launch/policy_settings.hpp"
#include "launch/required_manifest.hpp"
#include "launch/server.hpp"
#include "runtime/base/log.hpp"
#include "runtime/scheduling/policies/policy.hpp"

namespace troupe::launch {
namespace {

constexpr config::Page page{
    .command = "serve",
    .summary = "answers OpenAI clients over HTTP",
    .description =
        "Serves the model of a checkpoint folder, or the demo model, at POST /v1/chat/completions, POST "
        "/v1/completions and GET /v1/models. /health, /livez, /readyz and /startupz tell how the server is, "
        "/metrics counts what it does, /version names it, /v1/replica shows its ranks, /v1/scheduler its queues and "
        "its policy. Logs are JSON lines on standard error.\n\n"
        "The port opens when the checkpoint's headers are verified; until the weights are read, requests for "
        "inference are answered with status 503 and Retry-After.\n\n"
        "With more than one rank (-tp times -dp), each is a process of its own, and one that dies or hangs "
        "is started again while requests wait; they go on with the same bytes. Under mpirun each of its "
        "processes is a node; the first one answers clients.\n\n"
        "Command lines of vllm serve are understood: its flags that change nothing here, such as "
        "--trust-remote-code or --swap-space, are taken, and a line of the log says why; those that would change "
        "answers and are not served are refused by name.\n\n"
        "SIGINT and SIGTERM stop the server: it is not ready any more, refuses newcomers and who waits with status 503, lets "
        "answers end for --shutdown-timeout, and cuts off what is left. A second one does so at once.",
    .examples =
        "$ troupe serve\n"
        "$ troupe serve /models/deepseek-v3 --served-model-name deepseek --kv-cache-memory-bytes 8G\n"
        "$ TROUPE_API_KEY=secret troupe serve --host 0.0.0.0 --config troupe.toml\n"
        "$ troupe serve -tp 2 -dp 2 -ep\n"
        "$ mpirun -n 2 troupe serve -tp 2 -dp 2 -ep"};

void tell_what_has_no_effect(const config::VllmRecipe& recipe, const config::Settings& settings) {
  nlohmann::json flags = nlohmann::json::object();
  for (const config::FlagWithoutEffect& each : recipe.without_effect) flags[each.flag] = each.why;
  if (settings.cpu_offload_gb > 0 && settings.cpu_offload_bytes() == 0)
    flags["--cpu-offload-gb"] = "with --device cpu all weights are in the host's memory";
  if (flags.empty()) return;
  log_event(LogLevel::info, "flags_without_effect", {{"flags", std::move(flags)}});
}

}  // namespace

int serve(const Arguments& arguments) {
  config::Settings settings;
  config::Table table = config::schema(settings, runtime::policy_names());
  const config::VllmRecipe recipe = config::read_vllm_recipe(arguments);
  if (!read_command_line(page, table, recipe.arguments)) return 0;
  if (under_mpirun()) settings.nodes = mpirun_processes();
  config::validate(settings);
  check_policies(settings);
  if (settings.show_config) {
    std::cout << config::show(table);
    return 0;
  }
  set_log_level(parse_log_level(settings.log_level));
  tell_what_has_no_effect(recipe, settings);
  const auto checkpoint = checkpoint_or_demo(settings.model);
  if (first_of_host()) verify_if_required(settings, checkpoint);
  if (under_mpirun() && settings.nodes > 1) return serve_under_mpirun(settings, checkpoint);
  if (under_mpirun()) leave_mpirun();
  Launch launch;
  if (ranks_are_processes(settings)) launch.identity = identity_of_launch(settings);
  return run_server(settings, checkpoint, launch);
}

}  // namespace troupe::launch
