#include <cmath>
#include <iostream>
#include <random>

#include "launch/bench_subcommands.hpp"
#include "launch/command_line.hpp"
#include "launch/demo_model.hpp"
#include "launch/single_rank.hpp"
#include "runtime/execution/engine.hpp"
#include "runtime/execution/kv_size.hpp"
#include "runtime/execution/model_executor.hpp"
#include "runtime/lab/step_record.hpp"
#include "runtime/lab/step_recorder.hpp"

namespace troupe::launch {
namespace {

using namespace runtime::lab;

constexpr config::Page page{
    .command = "bench step",
    .summary = "measures steps of all sizes, for troupe simulate",
    .description =
        "Has one rank compute steps with few and many sequences, short and long contexts, prompts and answers, and "
        "fits a model of costs to every second one of them. Prints how far off it is from the others. With --record "
        "the steps are kept: troupe simulate --steps FILE serves with a machine like this one.",
    .examples =
        "$ troupe bench step --record demo.steps\n"
        "$ troupe simulate --steps demo.steps --num-gpu-blocks 4096 --request-rate 20 --input-len 64"};

struct Options {
  std::int32_t num_steps = 1000, input_len = 512, output_len = 64;
  std::int64_t seed = 0;
  std::string record;
};

config::Table options_table(Options& o) {
  constexpr std::int32_t most = 1 << 20;
  config::Table table{
      {.name = "num-steps",
       .target = &o.num_steps,
       .argument = "N",
       .help = "Steps that are timed.",
       .range = {64, most}},
      {.name = "input-len",
       .target = &o.input_len,
       .argument = "TOKENS",
       .help = "The longest prompt; their lengths are spread evenly by logarithm.",
       .range = {1, most}},
      {.name = "output-len",
       .target = &o.output_len,
       .argument = "TOKENS",
       .help = "The longest answer.",
       .range = {1, most}},
      {.name = "seed", .target = &o.seed, .argument = "N", .help = "Of lengths and tokens."},
      {.name = "record",
       .target = &o.record,
       .argument = "FILE",
       .help = "Where the measured steps go.",
       .unset = "nowhere"},
  };
  for (config::Setting& each : table) each.flag_only = true;
  return table;
}

// Sequences of drawn lengths; how many there are at a time changes now and then.
class Load {
 public:
  Load(const Options& options, const runtime::SchedulerLimits& limits, std::int32_t vocab_size)
      : options_(options), limits_(limits), vocab_size_(vocab_size), random_(std::uint64_t(options.seed)) {}

  void refill(runtime::Engine& engine) {
    constexpr int steps_of_one_crowd = 40;
    if (steps_++ % steps_of_one_crowd == 0) wanted_ = spread(limits_.max_num_seqs);
    const runtime::SchedulerStats stats = engine.stats();
    for (std::int32_t live = stats.running + stats.waiting; live < wanted_; ++live)
      if (auto accepted = engine.submit(next()); !accepted)
        throw Error(accepted.error().message, "the engine", "lower --input-len or --output-len");
  }

 private:
  std::int32_t spread(std::int32_t most) {  // evenly by logarithm
    return std::int32_t(std::exp(std::uniform_real_distribution<double>(0, std::log(most + 0.5))(random_)));
  }
  runtime::Submission next() {
    runtime::Submission submission;
    submission.sequence = submission.arrival = ++last_;
    submission.prompt_tokens = spread(options_.input_len);
    for (std::int32_t i = 0; i < submission.prompt_tokens; ++i)
      submission.tokens.push_back(TokenId(random_() % std::uint64_t(vocab_size_)));
    submission.max_output_tokens = spread(options_.output_len);
    submission.sampling.temperature = 0;
    return submission;
  }

  const Options& options_;
  const runtime::SchedulerLimits& limits_;
  std::int32_t vocab_size_, wanted_ = 1;
  int steps_ = 0;
  SequenceId last_ = 0;
  std::mt19937_64 random_;
};

void report(const std::vector<MeasuredStep>& steps) {
  std::vector<MeasuredStep> fitted, others;
  for (std::size_t i = 0; i < steps.size(); ++i) (i % 2 == 0 ? fitted : others).push_back(steps[i]);
  const FittedCost cost(fitted);
  std::printf(
      "%zu steps; of those not fitted to, the predicted time is off by %.1f %% at p50, %.1f %% at p90\n",
      steps.size(), 100 * cost.error(others, 0.5), 100 * cost.error(others, 0.9));
  const StepLoad one{
      .rows = 1, .sequences = 1, .samples = 1, .attended = 256, .context = 256, .replica_rows = 1};
  std::printf("one sequence that decodes at 256 tokens takes %.3f ms:\n",
              1e3 * cost.step(one).compute_seconds);
  for (const CostPart& part : cost.explain(one))
    std::printf("  %-12s %8.3f ms\n", part.name.c_str(), 1e3 * part.seconds);
}

}  // namespace

int bench_step(const Arguments& arguments) {
  config::Settings settings;
  Options options;
  config::Table table = options_table(options);
  config::append(
      table,
      config::select(config::schema(settings),
                     {"model", "max-num-seqs", "max-num-batched-tokens", "block-size", "kv-cache-dtype",
                      "device", "threads", "virtual-shards", "expert-shards", "config"}),
      "DEPLOYMENT");
  if (!read_command_line(page, table, arguments)) return 0;
  config::validate(settings);
  runtime::SchedulerLimits limits = settings.scheduler;
  limits.max_model_len = options.input_len + options.output_len;
  limits.max_step_time = std::chrono::milliseconds(0);
  limits.max_steps_in_flight = 1;
  limits.prefix_caching = false;

  const auto checkpoint = model::Checkpoint::open(checkpoint_or_demo(settings.model));
  settings.max_model_len = limits.max_model_len;
  context_length(settings, checkpoint.config());
  const std::int32_t blocks =
      (limits.max_num_seqs + 1) * ((limits.max_model_len + limits.block_size - 1) / limits.block_size);
  SingleRank rank(checkpoint, settings,
                  {.max_tokens = limits.max_num_batched_tokens,
                   .max_logit_rows = limits.max_num_seqs,
                   .max_positions = limits.max_model_len,
                   .cache_type = runtime::kv_cache_type(settings.kv_cache_dtype, limits.max_model_len)});
  runtime::ModelExecutor executor(*rank.ops, *rank.decoder, rank.communicators(), 0,
                                  rank.decoder->make_cache(blocks, limits.block_size));
  StepRecorder recorder(executor);
  runtime::Engine engine(limits, runtime::make_policy("decode_first"), blocks, recorder);
  Load load(options, limits, checkpoint.config().vocab_size);
  while (std::int32_t(recorder.steps().size()) < options.num_steps) {
    load.refill(engine);
    engine.step();
  }
  report(recorder.steps());
  const std::string what = checkpoint.folder().filename().string() + ", " + settings.device + ", " +
                           std::to_string(settings.compute_threads()) + " threads";
  if (!options.record.empty()) write_steps(options.record, {what, recorder.steps()});
  return 0;
}

}  // namespace troupe::launch
