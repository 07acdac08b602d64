#include <bit>
#include <iostream>
#include <nlohmann/json.hpp>

#include "config/settings.hpp"
#include "launch/command_line.hpp"
#include "launch/own_data.hpp"
#include "launch/single_rank.hpp"
#include "launch/sizing/deployment.hpp"
#include "launch/sizing/published.hpp"
#include "launch/sizing/report.hpp"

namespace troupe::launch {
namespace {

constexpr config::Page page{
    .command = "size",
    .summary = "what a model needs, and what fits on a machine",
    .description =
        "Tells how much memory a model takes of each GPU by every layout, -tp, -dp and -ep, how many sequences of full "
        "length fit beside it, and the fewest GPUs that hold it. The figures are those that the server goes by: the "
        "tensors that it reads, as it cuts them, what its steps work in, and the cache's bytes of a token. GPUs need not "
        "be there, nor the weights: a published model is known by its name.\n\n"
        "Hosts have 8 GPUs. What CUDA and NCCL take for themselves is assumed. Columns marked /GPU and the "
        "cache's bytes of a token are of each GPU; sequences are of all attention groups together.",
    .examples =
        "$ troupe size deepseek-v3\n"
        "$ troupe size deepseek-v3 --gpu h100 --nodes 2 --context 4096\n"
        "$ troupe size /models/deepseek-v3 --gpu h200 --json",
    .exit_status =
        "0 it is told, also that nothing fits; 1 the checkpoint is at fault, or its sequences are shorter "
        "than --context; 2 wrong flag, variable or setting, or a name that nothing has."};

struct Options {
  std::string model, gpu = "h100";
  std::optional<std::int32_t> nodes, context;
  bool json = false;
};

config::Table options_table(Options& o) {
  config::Table table{
      {.name = "model",
       .target = &o.model,
       .argument = "CHECKPOINT|NAME",
       .help = "A folder, a GGUF file, or the name of a published model, such as deepseek-v3, kimi-k2 or "
               "deepseek-r1-distill-qwen-7b.",
       .positional = true,
       .required = true},
      {.name = "gpu",
       .target = &o.gpu,
       .argument = "GPU",
       .help = "Its kind.",
       .choices = sizing::gpu_names()},
      {.name = "nodes",
       .target = &o.nodes,
       .argument = "N",
       .help = "Hosts, of 8 GPUs each; a power of two.",
       .unset = "as few as hold the model",
       .range = {1, sizing::most_hosts}},
      {.name = "context",
       .target = &o.context,
       .argument = "TOKENS",
       .help = "Length of a sequence, prompt and output together; --max-model-len of the server.",
       .unset = "max_position_embeddings of the model",
       .range = {1, model::limits::positions}},
      {.name = "json", .target = &o.json, .help = "Print JSON, with exact bytes."},
  };
  for (config::Setting& each : table) each.flag_only = true;
  return table;
}

void check_nodes(const Options& o) {
  if (std::has_single_bit(unsigned(o.nodes.value_or(1)))) return;
  throw config::UsageError(
      "'" + std::to_string(*o.nodes) + "' is not a power of two, as a replica's ranks are", "--nodes",
      "permitted: 1, 2, 4, ... " + std::to_string(sizing::most_hosts));
}

}  // namespace

int size_up(const Arguments& arguments) {
  config::Settings settings;
  settings.device = "cuda";
  Options options;
  config::Table table = options_table(options);
  config::append(table, config::select(config::schema(settings), sizing::memory_flags()),
                 "Settings of the server");
  if (!read_command_line(page, table, arguments)) return 0;
  check_nodes(options);
  config::validate(settings);
  const auto checkpoint =
      sizing::checkpoint_or_published(options.model, own_data("published", TROUPE_PUBLISHED));
  settings.max_model_len = options.context;
  const std::int32_t context = context_length(settings, checkpoint.config(), "--context");
  const sizing::Report report = sizing::report_on(checkpoint, sizing::deployment_of(settings, context),
                                                  sizing::gpu_named(options.gpu), options.nodes.value_or(0));
  std::cout << (options.json ? sizing::json_of(report).dump(2) + "\n" : sizing::text_of(report));
  return 0;
}

}  // namespace troupe::launch
