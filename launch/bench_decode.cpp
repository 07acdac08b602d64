#include <charconv>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "kernels/cpu/instruction_set.hpp"
#include "kernels/cpu/roofline.hpp"
#include "launch/bench_subcommands.hpp"
#include "launch/command_line.hpp"
#include "launch/decode_cost.hpp"
#include "launch/demo_model.hpp"
#include "launch/single_rank.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/execution/engine.hpp"
#include "runtime/execution/kv_size.hpp"
#include "runtime/execution/model_executor.hpp"

namespace troupe::launch {
namespace {

using nlohmann::ordered_json;

constexpr config::Page page{
    .command = "bench decode",
    .summary = "measures a step against what this machine can do",
    .description =
        "Times decoding steps and prompts of a checkpoint on one rank. Next to them it measures how fast this "
        "machine reads memory and how many multiply-adds it does, and tells the ratios: a decoding step is bound by "
        "the weights that it reads, a prompt by arithmetic. Machines are noisy; ratios of one run can be "
        "compared.\n\n"
        "With more than one sequence the weights of a step are those of all experts that are expected to be hit "
        "when tokens are spread evenly.",
    .examples =
        "$ troupe bench decode /models/deepseek-v3\n"
        "$ troupe bench decode --batch-sizes 1,2,8 --prefill-len 1024 --output-json result.json"};

struct Options {
  std::string batch_sizes = "1,4,16", prefill_batch_sizes = "1";
  std::int32_t input_len = 64, num_iters = 24, num_iters_warmup = 4, prefill_len = 512, prefill_iters = 5;
  bool avx2 = false;
  std::string output_json;
};

constexpr std::int32_t most_sequences = 1 << 10;

config::Table options_table(Options& o) {
  constexpr std::int32_t most = 1 << 20;  // so that all prompts of the most sequences can be counted
  config::Table table{
      {.name = "batch-sizes",
       .target = &o.batch_sizes,
       .argument = "N,...",
       .help = "Sequences that decode at a time."},
      {.name = "input-len",
       .target = &o.input_len,
       .argument = "TOKENS",
       .help = "Context of each of them.",
       .range = {1, most}},
      {.name = "num-iters",
       .target = &o.num_iters,
       .argument = "N",
       .help = "Decoding steps that are timed, of each batch size.",
       .range = {1, most}},
      {.name = "num-iters-warmup",
       .target = &o.num_iters_warmup,
       .argument = "N",
       .help = "Decoding steps before those.",
       .range = {0, most}},
      {.name = "prefill-len",
       .target = &o.prefill_len,
       .argument = "TOKENS",
       .help = "Of each prompt that a step computes.",
       .range = {1, most}},
      {.name = "prefill-batch-sizes",
       .target = &o.prefill_batch_sizes,
       .argument = "N,...",
       .help = "Prompts that one step computes."},
      {.name = "prefill-iters",
       .target = &o.prefill_iters,
       .argument = "N",
       .help = "Steps of prompts, of which the fastest counts.",
       .range = {1, most}},
      {.name = "avx2", .target = &o.avx2, .help = "As on a CPU without AVX-512."},
      {.name = "output-json",
       .target = &o.output_json,
       .argument = "FILE",
       .help = "Where the result goes, too.",
       .unset = "nowhere"},
  };
  for (config::Setting& each : table) each.flag_only = true;
  return table;
}

std::vector<std::int32_t> parse_batch_sizes(const std::string& text, const char* flag) {
  std::vector<std::int32_t> sizes;
  std::istringstream parts(text + ",");
  for (std::string part; std::getline(parts, part, ',');) {
    std::int32_t size = 0;
    const auto read = std::from_chars(part.data(), part.data() + part.size(), size);
    if (read.ec != std::errc() || read.ptr != part.data() + part.size() || size < 1 || size > most_sequences)
      throw config::UsageError("'" + part + "' is no number from 1 to " + std::to_string(most_sequences),
                               flag, "such as 1,4,16");
    sizes.push_back(size);
  }
  return sizes;
}

// Sequences of the steps of each kind.
struct BatchSizes {
  std::vector<std::int32_t> decode, prefill;

  explicit BatchSizes(const Options& o)
      : decode(parse_batch_sizes(o.batch_sizes, "--batch-sizes")),
        prefill(parse_batch_sizes(o.prefill_batch_sizes, "--prefill-batch-sizes")) {}
  std::int32_t most_of_decode() const { return *std::ranges::max_element(decode); }
  std::int32_t most_of_prefill() const { return *std::ranges::max_element(prefill); }
};

runtime::Submission sequence(SequenceId id, const model::ModelConfig& config, std::int32_t input_len,
                             std::int32_t output_len) {
  runtime::Submission submission;
  submission.sequence = submission.arrival = id;
  for (std::int32_t i = 0; i < input_len; ++i)
    submission.tokens.push_back(
        TokenId((id * 7919 + std::uint64_t(i) * 104729) % std::uint64_t(config.vocab_size)));
  submission.prompt_tokens = input_len;
  submission.max_output_tokens = output_len;
  submission.sampling.temperature = 0;
  return submission;
}

// A rank with an engine of its own, for so many sequences of one length.
struct Bench {
  Bench(SingleRank& rank, std::int32_t sequences, std::int32_t tokens, std::int32_t step_tokens)
      : limits{.max_num_batched_tokens = step_tokens,
               .max_num_seqs = sequences,
               .max_model_len = tokens,
               .prefix_caching = false},
        blocks(sequences * ((tokens + limits.block_size) / limits.block_size + 1)),
        executor(*rank.ops, *rank.decoder, rank.communicators(), 0,
                 rank.decoder->make_cache(blocks, limits.block_size)),
        engine(limits, runtime::make_policy("fcfs"), blocks, executor) {}

  void submit(runtime::Submission submission) {
    if (auto accepted = engine.submit(std::move(submission)); !accepted)
      throw Error(accepted.error().message, "the engine");
  }
  double seconds_of_step() {
    const TimePoint start = now();
    engine.step();
    return std::chrono::duration<double>(now() - start).count();
  }

  runtime::SchedulerLimits limits;
  std::int32_t blocks;
  runtime::ModelExecutor executor;
  runtime::Engine engine;
};

// Sizes of what the options ask for.
std::int32_t decoded_tokens(const Options& o) {
  return 1 + o.num_iters_warmup + o.num_iters;  // the first comes with the prompt
}
std::int32_t most_positions(const Options& o) {
  return std::max(o.input_len + decoded_tokens(o), o.prefill_len + 1);
}
void check_positions(const Options& o, const model::ModelConfig& config) {
  if (most_positions(o) > config.max_position_embeddings)
    throw Error(std::to_string(most_positions(o)) + " positions are more than the " +
                    std::to_string(config.max_position_embeddings) + " that the model was made for",
                "--input-len", "lower it, --num-iters or --prefill-len");
}
// All prompts are computed in one step.
std::int32_t most_step_tokens(const Options& o, const BatchSizes& sizes) {
  return std::max(sizes.most_of_decode() * o.input_len, sizes.most_of_prefill() * o.prefill_len);
}

// Seconds of one decoding step over so many sequences.
double seconds_of_decoding(SingleRank& rank, const model::ModelConfig& config, const Options& o,
                           std::int32_t sequences) {
  Bench bench(rank, sequences, o.input_len + decoded_tokens(o), sequences * o.input_len);
  for (std::int32_t i = 0; i < sequences; ++i)
    bench.submit(sequence(SequenceId(i) + 1, config, o.input_len, decoded_tokens(o)));
  for (std::int32_t i = 0; i < 1 + o.num_iters_warmup; ++i) bench.engine.step();
  double seconds = 0;
  for (std::int32_t i = 0; i < o.num_iters; ++i) seconds += bench.seconds_of_step();
  return seconds / o.num_iters;
}

// Seconds of a step that computes so many whole prompts, the best of some.
double seconds_of_prompts(SingleRank& rank, const model::ModelConfig& config, const Options& o,
                          std::int32_t prompts) {
  Bench bench(rank, prompts, o.prefill_len + 1, prompts * o.prefill_len);
  double best = std::numeric_limits<double>::infinity();
  SequenceId next = 1;
  for (std::int32_t i = 0; i < o.prefill_iters; ++i) {
    for (std::int32_t j = 0; j < prompts; ++j) bench.submit(sequence(next++, config, o.prefill_len, 1));
    best = std::min(best, bench.seconds_of_step());
  }
  return best;
}

ordered_json measure_decoding(SingleRank& rank, const model::Checkpoint& checkpoint, const Options& o,
                              std::int32_t sequences, int threads) {
  const double read = kernels::memory_read_speed(threads);
  const double seconds = seconds_of_decoding(rank, checkpoint.config(), o, sequences);
  const double bytes = weight_bytes_of_step(checkpoint, sequences);
  std::printf(
      "%4d sequences: %9.2f ms a step, %8.1f tokens/s, %6.1f GB/s of weights, %.2f of a plain read's %.1f\n",
      sequences, seconds * 1e3, sequences / seconds, bytes / seconds / 1e9, bytes / seconds / read,
      read / 1e9);
  return {{"batch_size", sequences},
          {"step_ms", seconds * 1e3},
          {"tokens_per_second", sequences / seconds},
          {"weight_bytes", bytes},
          {"memory_read_bytes_per_second", read},
          {"memory_read_ratio", bytes / seconds / read}};
}

ordered_json measure_prompts(SingleRank& rank, const model::Checkpoint& checkpoint, const Options& o,
                             std::int32_t prompts, int threads) {
  const double peak = kernels::fma_peak(threads);
  const double seconds = seconds_of_prompts(rank, checkpoint.config(), o, prompts);
  const double flop = prompts * flop_of_prompt(checkpoint, o.prefill_len);
  const double tokens = double(prompts) * o.prefill_len;
  std::printf("%4d prompts of %d tokens: %.1f ms, %.1f tokens/s, %.1f GFLOP/s, %.2f of the FMA units' %.1f\n",
              prompts, o.prefill_len, seconds * 1e3, tokens / seconds, flop / seconds / 1e9,
              flop / seconds / peak, peak / 1e9);
  return {{"batch_size", prompts},
          {"prefill_len", o.prefill_len},
          {"ms", seconds * 1e3},
          {"tokens_per_second", tokens / seconds},
          {"flop", flop},
          {"fma_peak_flop_per_second", peak},
          {"fma_peak_ratio", flop / seconds / peak}};
}

void write(const ordered_json& result, const std::string& file) {
  if (file.empty()) return;
  std::ofstream out(file);
  out << result.dump() << std::endl;
  if (!out) throw Error("cannot be written", file);
}

}  // namespace

int bench_decode(const Arguments& arguments) {
  config::Settings settings;
  Options options;
  config::Table table = options_table(options);
  config::append(table,
                 config::select(config::schema(settings), {"model", "kv-cache-dtype", "device", "threads",
                                                           "virtual-shards", "expert-shards", "config"}),
                 "DEPLOYMENT");
  if (!read_command_line(page, table, arguments)) return 0;
  const BatchSizes sizes(options);
  config::validate(settings);
  if (options.avx2) kernels::use_avx2();

  const auto checkpoint = model::Checkpoint::open(checkpoint_or_demo(settings.model));
  check_positions(options, checkpoint.config());
  SingleRank rank(checkpoint, settings,
                  {.max_tokens = most_step_tokens(options, sizes),
                   .max_logit_rows = std::max(sizes.most_of_decode(), sizes.most_of_prefill()),
                   .max_positions = most_positions(options),
                   .cache_type = runtime::kv_cache_type(settings.kv_cache_dtype, most_positions(options))});
  const int threads = settings.compute_threads();
  const char* const instructions =
      kernels::instruction_set() == kernels::InstructionSet::avx512 ? "AVX-512" : "AVX2";
  std::printf("%.2f GB of weights, %d threads, %s\n", double(checkpoint.total_bytes()) / 1e9, threads,
              instructions);
  ordered_json result{{"model", checkpoint.folder().string()},
                      {"instructions", instructions},
                      {"threads", threads},
                      {"decode", ordered_json::array()},
                      {"prefill", ordered_json::array()}};
  for (const std::int32_t sequences : sizes.decode)
    result["decode"].push_back(measure_decoding(rank, checkpoint, options, sequences, threads));
  for (const std::int32_t prompts : sizes.prefill)
    result["prefill"].push_back(measure_prompts(rank, checkpoint, options, prompts, threads));
  write(result, options.output_json);
  return 0;
}

}  // namespace troupe::launch
