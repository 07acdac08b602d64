// Decoding on a whole checkpoint: bytes of weights read a second, as a ratio of a plain memory read in the
// same run. And a prompt of 512 tokens: FLOP a second, as a ratio of the FMA units' peak in the same run.
//
//   bench_decode [--avx2] CHECKPOINT [SEQUENCES]...
//
// --avx2: as on a CPU without AVX-512.
// For each number of sequences, each 64 tokens long: milliseconds a step, weight
// bytes that a step reads, and the ratio. With more than one sequence the bytes
// are those of one sequence's experts, so the ratio is what one would pay alone.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "bench/fma_peak.hpp"
#include "bench/memory_read.hpp"
#include "kernels/cpu/targets.hpp"
// Highway after the choice of targets.
#include <hwy/targets.h>

#include "runtime/execution/engine.hpp"
#include "runtime/execution/model_executor.hpp"
#include "runtime/scheduling/policies/policy.hpp"
#include "transport/host/threads_mesh.hpp"

namespace troupe::bench {
namespace {

constexpr std::int32_t prompt_tokens = 64, warm_up_steps = 4, timed_steps = 24;
constexpr std::int32_t prefill_tokens = 512, timed_prompts = 5;

// Of the weights that one token passes through: all but
// the experts that it is not routed to, and the embedding.
double bytes_per_token(const model::Checkpoint& checkpoint) {
  const model::ModelConfig& config = checkpoint.config();
  double bytes = 0;
  for (const std::string& name : checkpoint.names()) {
    if (name.find("embed_tokens") != std::string::npos) continue;
    const double share = name.find(".experts.") == std::string::npos
                             ? 1
                             : double(config.num_experts_per_tok) / double(config.n_routed_experts);
    bytes += share * double(checkpoint.tensor(name).bytes.size());
  }
  return bytes;
}

// FLOP of a prompt: every weight that a token passes through, the head once, and attention in the latent space.
double prefill_flop(const model::Checkpoint& checkpoint) {
  const model::ModelConfig& c = checkpoint.config();
  double flop = 0;
  for (const std::string& name : checkpoint.names()) {
    const auto& tensor = checkpoint.tensor(name);
    if (tensor.shape.size() != 2 || name.ends_with("_scale_inv") || name.find("embed") != std::string::npos)
      continue;
    const double share = name.find(".experts.") == std::string::npos
                             ? 1
                             : double(c.num_experts_per_tok) / double(c.n_routed_experts);
    const double rows = name == "lm_head.weight" ? 1 : prefill_tokens;
    flop += 2 * rows * share * double(tensor.shape[0]) * double(tensor.shape[1]);
  }
  const double pairs = double(prefill_tokens) * (prefill_tokens + 1) / 2;
  return flop + 2 * pairs * double(c.num_hidden_layers * c.num_attention_heads) *
                    double(2 * c.kv_lora_rank + c.qk_rope_head_dim);
}

runtime::Submission sequence(SequenceId id, const model::ModelConfig& config, std::int32_t prompt_tokens) {
  runtime::Submission submission;
  submission.sequence = submission.arrival = id;
  for (std::int32_t i = 0; i < prompt_tokens; ++i)
    submission.tokens.push_back(
        TokenId((id * 7919 + std::uint64_t(i) * 104729) % std::uint64_t(config.vocab_size)));
  submission.prompt_tokens = prompt_tokens;
  submission.max_output_tokens = 1 + warm_up_steps + timed_steps;
  submission.sampling.temperature = 0;
  return submission;
}

// A model with an engine of its own.
struct Bench {
  Bench(model::Decoder& decoder, kernels::Ops& ops, std::int32_t sequences, std::int32_t tokens_a_sequence)
      : limits{.max_num_batched_tokens = 2048, .max_model_len = tokens_a_sequence, .prefix_caching = false},
        blocks((sequences + 1) * limits.max_model_len / limits.block_size),
        communicator(transport::ThreadsMesh(1).communicator(0)),
        executor(ops, decoder, {*communicator, *communicator}, 0,
                 decoder.make_cache(blocks, limits.block_size)),
        engine(limits, runtime::make_policy("fcfs"), blocks, executor) {}

  runtime::SchedulerLimits limits;
  std::int32_t blocks;
  std::unique_ptr<transport::Communicator> communicator;
  runtime::ModelExecutor executor;
  runtime::Engine engine;
};

// Seconds of one decoding step over so many sequences.
double step_seconds(model::Decoder& decoder, kernels::Ops& ops, const model::ModelConfig& config,
                    std::int32_t sequences) {
  Bench bench(decoder, ops, sequences, 128);
  for (std::int32_t i = 0; i < sequences; ++i)
    if (!bench.engine.submit(sequence(SequenceId(i) + 1, config, prompt_tokens))) std::abort();
  for (std::int32_t i = 0; i < 1 + warm_up_steps; ++i) bench.engine.step();
  const auto start = std::chrono::steady_clock::now();
  for (std::int32_t i = 0; i < timed_steps; ++i) bench.engine.step();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  return seconds.count() / timed_steps;
}

// Seconds of a step that computes a whole prompt, the best of some.
double prefill_seconds(model::Decoder& decoder, kernels::Ops& ops, const model::ModelConfig& config) {
  Bench bench(decoder, ops, timed_prompts, 2 * prefill_tokens);
  double best = 1e9;
  for (std::int32_t i = 0; i < timed_prompts; ++i) {
    auto prompt = sequence(SequenceId(i) + 1, config, prefill_tokens);
    prompt.max_output_tokens = 1;
    if (!bench.engine.submit(prompt)) std::abort();
    const auto start = std::chrono::steady_clock::now();
    bench.engine.step();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::min(best, seconds.count());
  }
  return best;
}

int run(const std::string& folder, const std::vector<std::int32_t>& batches) {
  const auto checkpoint = model::Checkpoint::open(folder);
  const int threads = all_threads();
  const auto ops = kernels::make_cpu_ops(threads);
  const auto decoder = model::load_decoder(
      checkpoint, *ops, {}, {.max_tokens = 2048, .max_logit_rows = 256, .max_positions = 2 * prefill_tokens});
  const double read = memory_read_speed(threads), bytes = bytes_per_token(checkpoint);
  std::printf("%.2f GB of weights, %.0f MB of them a token; %d threads; plain read %.1f GB/s\n",
              double(checkpoint.total_bytes()) / 1e9, bytes / 1e6, threads, read / 1e9);
  for (const std::int32_t sequences : batches) {
    const double seconds = step_seconds(*decoder, *ops, checkpoint.config(), sequences);
    std::printf("%3d sequences: %8.2f ms a step, %7.1f tokens/s, %5.1f GB/s of weights, ratio %.2f\n",
                sequences, seconds * 1e3, sequences / seconds, bytes / seconds / 1e9, bytes / seconds / read);
  }
  const double peak = fma_peak(threads), seconds = prefill_seconds(*decoder, *ops, checkpoint.config()),
               flop = prefill_flop(checkpoint);
  std::printf(
      "a prompt of %d tokens: %.0f ms, %.1f tokens/s, %.1f GFLOP/s, ratio %.2f of the FMA peak, %.1f\n",
      prefill_tokens, seconds * 1e3, prefill_tokens / seconds, flop / seconds / 1e9, flop / seconds / peak,
      peak / 1e9);
  return 0;
}

}  // namespace
}  // namespace troupe::bench

int main(int count, char** arguments) {
  if (count > 1 && std::string_view(arguments[1]) == "--avx2") {
    hwy::SetSupportedTargetsForTest(HWY_AVX2);
    --count;
    ++arguments;
  }
  if (count < 2) {
    std::fprintf(stderr, "usage: bench_decode [--avx2] CHECKPOINT [SEQUENCES]...\n");
    return 2;
  }
  std::vector<std::int32_t> batches;
  for (int i = 2; i < count; ++i) batches.push_back(std::atoi(arguments[i]));
  if (batches.empty()) batches = {1, 4, 16};
  try {
    return troupe::bench::run(arguments[1], batches);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_decode: %s\n", error.what());
    return 1;
  }
}
