#include <fstream>
#include <iostream>
#include <limits>
#include <nlohmann/json.hpp>

#include "launch/bench_subcommands.hpp"
#include "launch/command_line.hpp"
#include "launch/demo_model.hpp"
#include "launch/load/dataset.hpp"
#include "launch/single_rank.hpp"
#include "model/text/text_model.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/execution/engine.hpp"
#include "runtime/execution/kv_size.hpp"
#include "runtime/execution/model_executor.hpp"

namespace troupe::launch {
namespace {

constexpr config::Page page{
    .command = "bench offline",
    .summary = "measures the engine without HTTP",
    .description =
        "Gives the engine random prompts, all at once, and tells how many tokens a second it computes on one "
        "rank. Answers have the whole output length. Flags and the fields of the result have the names of "
        "vllm bench throughput.",
    .examples =
        "$ troupe bench offline --num-prompts 64 --input-len 128 --output-len 64\n"
        "$ troupe bench offline /models/deepseek-v3 --max-num-seqs 16 --output-json result.json"};

struct Options {
  std::int32_t num_prompts = 100, input_len = 128, output_len = 128;
  std::int64_t seed = 0;
  std::string output_json, tokenizer;
};

config::Table options_table(Options& o) {
  constexpr std::int32_t most = 1 << 24;
  config::Table table{
      {.name = "num-prompts",
       .target = &o.num_prompts,
       .argument = "N",
       .help = "Requests.",
       .range = {1, most}},
      {.name = "input-len",
       .target = &o.input_len,
       .argument = "TOKENS",
       .help = "Of a prompt.",
       .range = {1, most}},
      {.name = "output-len",
       .target = &o.output_len,
       .argument = "TOKENS",
       .help = "Of an answer.",
       .range = {1, most}},
      {.name = "seed", .target = &o.seed, .argument = "N", .help = "Of the prompts."},
      {.name = "tokenizer",
       .target = &o.tokenizer,
       .argument = "FOLDER",
       .help = "Whose ordinary tokens the prompts are made of; none may lie beyond the model's vocabulary.",
       .unset = "the demo model's"},
      {.name = "output-json",
       .target = &o.output_json,
       .argument = "FILE",
       .help = "Where the result goes, too.",
       .unset = "nowhere"},
  };
  for (config::Setting& each : table) each.flag_only = true;
  return table;
}

std::vector<runtime::Submission> make_submissions(const Options& o, const model::ModelConfig& config) {
  const auto tokenizer = model::tokenizer_of(checkpoint_or_demo(o.tokenizer));
  if (tokenizer.vocab_size() > config.vocab_size)
    throw Error("its vocabulary is larger than the model's", "--tokenizer", "give the model's own");
  const auto samples = load::random_samples(tokenizer, {.input_len = o.input_len, .output_len = o.output_len},
                                            o.num_prompts, std::uint64_t(o.seed));
  std::vector<runtime::Submission> submissions;
  for (const load::Sample& each : samples) {
    runtime::Submission submission;
    submission.sequence = submission.arrival = SequenceId(submissions.size()) + 1;
    submission.tokens = std::get<std::vector<TokenId>>(each.prompt);
    submission.prompt_tokens = o.input_len;
    submission.max_output_tokens = o.output_len;
    submission.sampling.temperature = 0;
    submissions.push_back(std::move(submission));
  }
  return submissions;
}

struct Result {
  double elapsed_time = 0;  // seconds
  std::int64_t output_tokens = 0;
};

// Until every answer is whole.
Result compute(runtime::Engine& engine, std::vector<runtime::Submission> submissions) {
  for (runtime::Submission& each : submissions)
    if (auto accepted = engine.submit(std::move(each)); !accepted)
      throw Error(accepted.error().message, "the engine", "lower --input-len or --output-len");
  Result result;
  const TimePoint start = now();
  while (!engine.idle()) result.output_tokens += std::int64_t(engine.step().size());
  result.elapsed_time = std::chrono::duration<double>(now() - start).count();
  return result;
}

void report(const Result& result, const Options& o) {
  const double seconds = result.elapsed_time;
  const std::int64_t input = std::int64_t(o.num_prompts) * o.input_len, total = input + result.output_tokens;
  const nlohmann::ordered_json json{{"elapsed_time", seconds},
                                    {"num_requests", o.num_prompts},
                                    {"total_num_tokens", total},
                                    {"requests_per_second", o.num_prompts / seconds},
                                    {"tokens_per_second", double(total) / seconds},
                                    {"output_tokens_per_second", double(result.output_tokens) / seconds}};
  std::printf("Throughput: %.2f requests/s, %.2f total tokens/s, %.2f output tokens/s\n",
              o.num_prompts / seconds, double(total) / seconds, double(result.output_tokens) / seconds);
  std::printf("Total num prompt tokens:  %lld\nTotal num output tokens:  %lld\n", (long long)input,
              (long long)result.output_tokens);
  if (o.output_json.empty()) return;
  std::ofstream out(o.output_json);
  out << json.dump() << std::endl;
  if (!out) throw Error("cannot be written", o.output_json);
}

}  // namespace

int bench_offline(const Arguments& arguments) {
  config::Settings settings;
  Options options;
  config::Table table = options_table(options);
  config::append(table,
                 config::select(config::schema(settings),
                                {"model", "max-num-seqs", "max-num-batched-tokens", "block-size",
                                 "kv-cache-dtype", "device", "threads", "virtual-shards", "expert-shards",
                                 "scheduling-policy", "policy-option", "config"}),
                 "DEPLOYMENT");
  if (!read_command_line(page, table, arguments)) return 0;
  runtime::SchedulerLimits limits = settings.scheduler;
  limits.max_waiting = std::max(limits.max_waiting, options.num_prompts);
  limits.max_waiting_tokens = std::numeric_limits<std::int32_t>::max();
  limits.max_model_len = options.input_len + options.output_len;
  limits.prefix_caching = false;
  config::validate(settings);

  const auto checkpoint = model::Checkpoint::open(checkpoint_or_demo(settings.model));
  settings.max_model_len = limits.max_model_len;
  context_length(settings, checkpoint.config());
  auto submissions = make_submissions(options, checkpoint.config());
  const std::int32_t sequences = std::min(limits.max_num_seqs, options.num_prompts);
  const std::int32_t blocks =
      (sequences + 1) * ((limits.max_model_len + limits.block_size - 1) / limits.block_size);
  SingleRank rank(checkpoint, settings,
                  {.max_tokens = limits.max_num_batched_tokens,
                   .max_logit_rows = limits.max_num_seqs,
                   .max_positions = limits.max_model_len,
                   .cache_type = runtime::kv_cache_type(settings.kv_cache_dtype, limits.max_model_len)});
  runtime::ModelExecutor executor(*rank.ops, *rank.decoder, rank.communicators(), 0,
                                  rank.decoder->make_cache(blocks, limits.block_size));
  runtime::Engine engine(limits, runtime::make_policy(settings.scheduling_policy, settings.policy_option),
                         blocks, executor);
  report(compute(engine, std::move(submissions)), options);
  return 0;
}

}  // namespace troupe::launch
