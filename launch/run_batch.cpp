#include "actors/edge/callers/output_filters.hpp"
#include "actors/edge/time_limits.hpp"
#include "launch/batch/batch.hpp"
#include "launch/command_line.hpp"
#include "launch/demo_model.hpp"
#include "launch/identity.hpp"
#include "launch/policy_settings.hpp"
#include "launch/progress_bar.hpp"
#include "launch/required_manifest.hpp"
#include "launch/server.hpp"
#include "launch/stop_signals.hpp"
#include "runtime/scheduling/policies/policy.hpp"

namespace troupe::launch {
namespace {

constexpr config::Page page{
    .command = "run-batch",
    .summary = "answers a file of requests without a server",
    .description =
        "Reads requests in the form of OpenAI's batch files, a JSON object a line: custom_id, method (POST), url (of any "
        "endpoint that generates, such as /v1/chat/completions) and body. Writes a line for each, in the order in which "
        "they end: id, custom_id, response (status_code, request_id, body) and error. A line that asks nothing gets one "
        "whose error says why.\n\n"
        "It may be killed at any moment; the same command goes on where it was, with no line lost or written twice. "
        "OUTPUT.journal beside the output knows how far it is; it stays when the batch is done, and the same command "
        "does nothing then. An input that has changed since is refused.\n\n"
        "Settings are those of troupe serve. A line that there is no room for is asked again; one whose time is up, by "
        "--request-timeout, --queue-timeout or --ttft-timeout, is answered with that.",
    .examples =
        "$ troupe run-batch -i requests.jsonl -o answers.jsonl\n"
        "$ troupe run-batch /models/deepseek-v3 -i requests.jsonl -o answers.jsonl --max-num-seqs 64",
    .exit_status =
        "0 every line has an answer, if only an error; 1 failure; 2 wrong flag, variable or setting."};

struct Options {
  std::string input, output;
  std::optional<std::int32_t> max_concurrency;
};

config::Table options_table(Options& o) {
  config::Table table{
      {.name = "input-file",
       .target = &o.input,
       .argument = "FILE",
       .help = "The requests.",
       .short_flag = "-i",
       .required = true},
      {.name = "output-file",
       .target = &o.output,
       .argument = "FILE",
       .help = "Where the answers go.",
       .short_flag = "-o",
       .required = true},
      {.name = "max-concurrency",
       .target = &o.max_concurrency,
       .argument = "N",
       .help = "Requests at a time.",
       .unset = "twice as many as sequences run at a time",
       .range = {1, 1 << 20}},
  };
  for (config::Setting& each : table) each.flag_only = true;
  return table;
}

config::Table settings_table(config::Settings& settings) {
  config::Table table = config::schema(settings, runtime::policy_names());
  std::erase_if(table, [](const config::Setting& each) { return each.name == "show-config"; });
  return table;
}

// Those for everyone: a batch has no callers.
std::shared_ptr<const runtime::OutputFilter> filter_of(const config::Settings& settings) {
  const std::string& file = settings.edge.output_filters_file;
  if (file.empty()) return nullptr;
  return actors::edge::OutputFilters(config::read_output_filters(file)).of({});
}

batch::BatchLimits limits_of(const Options& options, const config::Settings& settings) {
  const std::int64_t running = std::int64_t(settings.scheduler.max_num_seqs) * settings.data_parallel_size;
  return {.max_concurrency = std::size_t(options.max_concurrency.value_or(2 * running)),
          .buffered_deltas = settings.edge.connection.buffered_deltas,
          .request = settings.edge.request,
          .times = actors::edge::time_limits(settings.edge, {}).value(),
          .filter = filter_of(settings)};
}

}  // namespace

int run_batch(const Arguments& arguments) {
  config::Settings settings;
  settings.log_level = "warning";  // what goes well is told by the bar
  Options options;
  config::Table table = options_table(options);
  for (config::Setting& each : settings_table(settings)) table.push_back(std::move(each));
  if (!read_command_line(page, table, arguments)) return 0;
  config::validate(settings);
  check_policies(settings);
  expect_peers_to_leave();
  const batch::BatchLimits limits = limits_of(options, settings);

  batch::BatchInput input(options.input);
  batch::BatchOutput output(options.output, input.digest());
  ProgressBar progress(input.lines());
  progress.show(output.lines());
  if (output.lines() == input.lines()) return 0;
  Launch launch;
  if (ranks_are_processes(settings)) launch.identity = identity_of_launch(settings);
  const auto checkpoint = checkpoint_or_demo(settings.model);
  verify_if_required(settings, checkpoint);
  const auto replica = start_replica(settings, checkpoint, launch);
  batch::Batch(*replica, input, output, limits).run([&] { progress.show(output.lines()); });
  return 0;
}

}  // namespace troupe::launch
