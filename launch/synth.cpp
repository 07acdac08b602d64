#include <map>

#include "config/settings.hpp"
#include "launch/command_line.hpp"
#include "launch/single_rank.hpp"
#include "model/checkpoint/synth.hpp"
#include "model/config.hpp"
#include "model/json/parse.hpp"

namespace troupe::launch {
namespace {

using kernels::DType;

constexpr config::Page page{
    .command = "synth",
    .summary = "writes a random checkpoint",
    .description =
        "Writes a checkpoint of the shape that a config.json gives, with random weights, for benches and "
        "tests: the same seed gives the same bytes on every machine. Without --tokenizer it has no "
        "tokenizer; troupe logits and benches need none.",
    .examples = "$ troupe synth --config config.json --dtype fp8 --out /tmp/synthetic"};

struct Options {
  std::string config, dtype = "bf16", out, tokenizer;
  std::int64_t seed = 0;
};

config::Table options_table(Options& o) {
  config::Table table{
      {.name = "config",
       .target = &o.config,
       .argument = "FILE",
       .help = "The config.json.",
       .required = true},
      {.name = "out",
       .target = &o.out,
       .argument = "FOLDER",
       .help = "Is made, or must be empty.",
       .required = true},
      {.name = "dtype",
       .target = &o.dtype,
       .argument = "TYPE",
       .help = "Type of the linear weights.",
       .choices = {"fp8", "bf16", "f32"}},
      {.name = "seed", .target = &o.seed, .argument = "N", .help = "Chooses the weights."},
      {.name = "tokenizer",
       .target = &o.tokenizer,
       .argument = "FOLDER",
       .help = "Whose tokenizer.json, tokenizer_config.json, chat_template.jinja and generation_config.json "
               "to copy.",
       .unset = "none"},
  };
  for (config::Setting& each : table) each.flag_only = true;
  return table;
}

}  // namespace

int synth(const Arguments& arguments) {
  config::Settings settings;
  Options options;
  config::Table table = options_table(options);
  config::append(table, config::select(config::schema(settings), {"threads"}), "");
  if (!read_command_line(page, table, arguments)) return 0;
  const std::map<std::string, DType> types{
      {"fp8", DType::f8_e4m3}, {"bf16", DType::bf16}, {"f32", DType::f32}};
  model::write_synth(model::load_json(options.config, model::limits::config_bytes), options.out,
                     {.weights = types.at(options.dtype),
                      .seed = std::uint64_t(options.seed),
                      .threads = settings.compute_threads(),
                      .tokenizer = options.tokenizer});
  return 0;
}

}  // namespace troupe::launch
