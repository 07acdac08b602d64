#include <iostream>

#include "config/read.hpp"
#include "launch/command_line.hpp"
#include "launch/demo_model.hpp"
#include "launch/server.hpp"

namespace troupe::launch {
namespace {

constexpr config::Page page{
    .command = "serve",
    .summary = "answers OpenAI clients over HTTP",
    .description =
        "Serves the model of a checkpoint folder, or the demo model, at POST /v1/chat/completions, POST "
        "/v1/completions and GET /v1/models. /health, /livez, /readyz and /startupz tell how the server is, "
        "/metrics counts what it does, /version names it. Logs are JSON lines on standard error.\n"
        "\n"
        "The port opens when the checkpoint's headers are verified; until the weights are read, requests for "
        "inference are answered with status 503 and Retry-After.\n"
        "\n"
        "SIGINT and SIGTERM stop the server.",
    .examples =
        "$ troupe serve\n"
        "$ troupe serve /models/deepseek-v3 --served-model-name deepseek --kv-cache-memory-bytes 8G\n"
        "$ TROUPE_API_KEY=secret troupe serve --host 0.0.0.0 --config troupe.toml"};

}  // namespace

int serve(const Arguments& arguments) {
  config::Settings settings;
  config::Table table = config::schema(settings);
  if (!read_command_line(page, table, arguments)) return 0;
  config::validate(settings);
  if (settings.show_config) {
    std::cout << config::show(table);
    return 0;
  }
  return run_server(settings, checkpoint_or_demo(settings.model));
}

}  // namespace troupe::launch
