#include "runtime/execution/start_fit.hpp"

#include <algorithm>

#include "runtime/base/scheduler_limits.hpp"
#include "runtime/execution/kv_size.hpp"

namespace troupe::runtime {
namespace {

using Fits = std::function<bool(const StartSettings&)>;

// The longest context that fits, shorter than that of `settings`, and at most half of one that should have fitted; 0: none.
std::int32_t longest_context(StartSettings settings, std::int32_t block_size, const Fits& fits) {
  std::int32_t fitting = 0, most = (settings.max_model_len - 1) / block_size;  // blocks
  if (fits(settings)) most /= 2;
  while (fitting < most) {
    const std::int32_t middle = fitting + (most - fitting + 1) / 2;
    settings.max_model_len = middle * block_size;
    if (fits(settings))
      fitting = middle;
    else
      most = middle - 1;
  }
  return fitting * block_size;
}

// A step has room for a token of every sequence.
bool halve_tokens(StartSettings& settings) {
  if (settings.max_num_batched_tokens / 2 < std::max(settings.max_num_seqs, 1)) return false;
  settings.max_num_batched_tokens /= 2;
  return true;
}
bool halve_sequences(StartSettings& settings) {
  if (settings.max_num_seqs < 2) return false;
  settings.max_num_seqs /= 2;
  return true;
}

// The first that fits, of those that halving leads to; not known: none.
StartSettings halved(StartSettings settings, bool (*halve)(StartSettings&), const Fits& fits) {
  while (halve(settings))
    if (fits(settings)) return settings;
  return {};
}

// Of what was halved, that alone which is needed. Never what was asked: memory was too short for that, whatever is reckoned.
StartSettings needed(StartSettings settings, const StartSettings& asked, const Fits& fits) {
  StartSettings more = settings;
  more.max_num_batched_tokens = asked.max_num_batched_tokens;
  if (more != asked && fits(more)) settings = more;
  more = settings;
  more.max_num_seqs = asked.max_num_seqs;
  return more != asked && more.max_num_seqs <= more.max_num_batched_tokens && fits(more) ? more : settings;
}

StartSettings in_order(StartSettings settings, std::int32_t block_size, const Fits& fits) {
  for (;;) {
    const bool fewer = halve_sequences(settings);
    if (fewer && fits(settings)) return settings;
    const bool smaller = halve_tokens(settings);
    if (smaller && fits(settings)) return settings;
    const std::int32_t context = longest_context(settings, block_size, fits);
    if (context >= shortest_context || !(fewer || smaller)) {
      settings.max_model_len = context;
      return context > 0 ? settings : StartSettings{};
    }
  }
}

}  // namespace

StartFit find_start_fit(const StartSettings& asked, std::int32_t block_size, const Fits& fits) {
  StartFit fit{.asked = asked, .alone = {}, .together = in_order(asked, block_size, fits)};
  if (fit.together.known()) fit.together = needed(fit.together, asked, fits);
  fit.alone.max_num_seqs = halved(asked, halve_sequences, fits).max_num_seqs;
  fit.alone.max_num_batched_tokens = halved(asked, halve_tokens, fits).max_num_batched_tokens;
  fit.alone.max_model_len = longest_context(asked, block_size, fits);
  return fit;
}

std::string sentence_of(const StartFit& fit, kernels::CacheType type) {
  // A shorter context may have another type by default, which takes more.
  const auto context = [&](std::int32_t tokens) {
    const bool other = kv_cache_type("auto", tokens) != type;
    return "--max-model-len " + std::to_string(tokens) +
           (other ? " --kv-cache-dtype " + std::string(name_of(type)) : "");
  };
  const auto sequences = [](std::int32_t n) { return "--max-num-seqs " + std::to_string(n); };
  const auto tokens = [](std::int32_t n) { return "--max-num-batched-tokens " + std::to_string(n); };
  std::string with, without;
  const auto add = [&](std::int32_t value, const std::string& flag, const std::string& name) {
    if (value > 0)
      with += (with.empty() ? "It would start with " : ", or with ") + flag;
    else
      without += (without.empty() ? "No " : ", no ") + name;
  };
  add(fit.alone.max_num_seqs, sequences(fit.alone.max_num_seqs), "--max-num-seqs");
  add(fit.alone.max_num_batched_tokens, tokens(fit.alone.max_num_batched_tokens), "--max-num-batched-tokens");
  add(fit.alone.max_model_len, context(fit.alone.max_model_len), "--max-model-len");
  if (!with.empty()) with += ". ";
  if (!without.empty()) without += " alone would do. ";
  const StartSettings& all = fit.together;
  if (!all.known()) return with + without + "Nothing would do: the weights alone take too much.";
  return with + without + "--degrade would take " + sequences(all.max_num_seqs) + " " +
         tokens(all.max_num_batched_tokens) + " " + context(all.max_model_len) + ".";
}

bool fits(const RankStart& rank, const StartSettings& settings) {
  const SchedulerLimits scheduler{.max_num_batched_tokens = settings.max_num_batched_tokens,
                                  .max_num_seqs = settings.max_num_seqs,
                                  .speculation = rank.speculation};
  model::DecoderLimits limits = rank.limits;
  limits.max_tokens = settings.max_num_batched_tokens;
  limits.max_logit_rows = most_logit_rows(scheduler);
  limits.max_positions = settings.max_model_len;
  const model::DecoderMemory decoder =
      model::decoder_memory(rank.checkpoint, rank.ops, rank.sharding, limits);
  kernels::DeviceMemory memory = rank.ops.memory();
  memory.used = rank.besides + decoder.weights + decoder.workspace;
  const KvShape shape{model::cache_bytes_per_token(rank.checkpoint.config(), rank.sharding, limits.prediction,
                                                   limits.cache_type),
                      rank.block_size, settings.max_model_len};
  return memory.used + rank.cache.bytes <= limit_of(rank.cache, memory) &&
         holds_a_sequence(rank.cache, shape, memory);
}

}  // namespace troupe::runtime
