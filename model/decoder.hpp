// What an executor drives: one rank's part of a decoder-only model. Used by its compute thread alone, but for
// Progress, which any thread may read.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <vector>

#include "kernels/ops.hpp"
#include "model/checkpoint/checkpoint.hpp"
#include "model/decoder_limits.hpp"
#include "model/sharding.hpp"
#include "runtime/base/held_memory.hpp"
#include "runtime/base/ticks.hpp"
#include "transport/communicator.hpp"

namespace troupe::model {

// Bytes of weights read so far, for /startupz; and a way to end the reading early, with an Error.
struct Progress {
  std::atomic<std::size_t> done{0}, total{0};
  std::atomic<bool> stop{false};
};

// Who hears of the reading of weights; each may be null, and outlives the decoder.
struct LoadObservers {
  Progress* progress = nullptr;
  TickBoard* ticks = nullptr;  // activity, bytes, and a tick for each piece; steps write their layers to it
  MemoryKeeper* keeper = nullptr;  // has them held for a later life, and those of an earlier one
};

// Bytes of KV storage that a token takes on a rank, all layers, with prediction also the prediction layer's: the same on
// each rank.
std::size_t cache_bytes_per_token(const ModelConfig& config, const ShardingPlan& plan,
                                  bool prediction = false, kernels::CacheType type = kernels::CacheType::f32);

// Bytes that a rank's part of a decoder takes of its device, besides the cache.
struct DecoderMemory {
  std::size_t weights = 0;
  std::size_t workspace = 0;     // that steps reuse, for the largest one
  std::size_t host_weights = 0;  // of the host instead: see DecoderLimits::host_weight_bytes
};

// KV storage of a rank: all layers, a loaded prediction layer last, paged in blocks that the block pool of the
// attention group counts.
struct KvCache {
  std::int64_t blocks = 0, block_size = 0;
  std::vector<kernels::LayerCache> layers;
  std::vector<kernels::LayerCache> index_keys;  // of each layer's index, if there is one
  std::shared_ptr<void> memory;
  kernels::Ops* ops = nullptr;  // whose memory it is; outlives it

  // Overwrites all entries with NaN, between steps: whoever reads a stale block afterwards is found out.
  void poison();
};

struct StepInput {
  std::span<const TokenId> tokens;  // [T], rows of all sequences one after the other
  const kernels::StepLayout& layout;
  std::span<const std::int32_t> logit_rows;  // rows whose logits are wanted, ascending
  // [data_parallel]: T of each group in this step, its own
  // too; the same on all ranks. One group may leave it empty.
  std::span<const std::int64_t> group_tokens = {};
};

// A run of the multi-token-prediction layer (DeepSeek-AI 2024, "DeepSeek-V3 Technical Report", section 2.2):
// from the hidden state after position p and the token at p + 1, the logits of the token at p + 2.
struct PredictInput {
  // tokens[i]: the token at p + 1. layout: of positions p, where the layer keeps its own cache entries; those of
  // a sequence's earlier positions were made by earlier runs. The rest is as in a step.
  StepInput next;
  // [T]: row i goes on from the hidden state that the last call, forward or predict, left in its row rows[i].
  std::span<const std::int32_t> rows;
};

class Decoder {
 public:
  virtual ~Decoder() = default;

  // Whose memory its weights, caches and results are in.
  virtual kernels::Ops& ops() const = 0;
  virtual KvCache make_cache(std::int64_t blocks, std::int64_t block_size) = 0;
  // Runs one step and stores the cache entries of its tokens. T may be 0: the collectives still run.
  // Returns logits [logit_rows, vocab_size], f32, the same on every rank of the group; valid until the next
  // call. max_tokens of load() bounds each group's T; throws Error when a peer fails.
  virtual kernels::Tensor forward(kernels::Queue&, const transport::Communicators&, const StepInput& input,
                                  KvCache& cache) = 0;

  virtual std::int64_t vocab_size() const = 0;     // logits of a row
  virtual std::int64_t max_positions() const = 0;  // of a sequence, from load()

  // Whether the prediction layer was loaded.
  virtual bool can_predict() const = 0;
  // Runs the prediction layer on what the last call left: every row of a step whose next token is known, so
  // that the layer's cache has all positions; then, for a second token ahead, on its own rows, with the token that
  // they predicted at position p + 1, and so on. An entry of a position that is run again is overwritten.
  // Returns logits, as forward does, with the same bounds and the same need of all ranks.
  virtual kernels::Tensor predict(kernels::Queue&, const transport::Communicators&, const PredictInput& input,
                                  KvCache& cache) = 0;
  // [T, hidden_size]: the hidden states that the last call left, before the norm of its head. Valid until the
  // next call.
  virtual kernels::Tensor hidden() const = 0;

  // Tokens routed to each expert since load, all layers, by global expert id;
  // empty without experts. Every rank counts all tokens of its group, also for
  // experts of other ranks. Valid while the decoder lives; read after Queue::wait.
  virtual std::span<const std::int64_t> expert_load() const = 0;

  // From the next step on, experts are where the placement says. Reads those that are new on this rank, all layers, from the
  // checkpoint, then frees those that left; results stay the same bytes. Between steps only, and with the
  // same placement on all ranks. Refuses a placement that does not fit, or a plan without expert_parallel.
  // Throws Error when the checkpoint cannot be read; nothing has changed then.
  virtual Expected<void> place(const transport::ExpertPlacement& placement) = 0;
};

// Reads this rank's part of the weights into memory of ops; with expert parallelism the experts that the placement gives
// it, or, if that is empty, ExpertPlacement::spread. The checkpoint and ops outlive the decoder. Throws Error.
std::unique_ptr<Decoder> load_decoder(const Checkpoint& checkpoint, kernels::Ops& ops,
                                      const ShardingPlan& plan, const DecoderLimits& limits,
                                      const LoadObservers& observers = {},
                                      const transport::ExpertPlacement& placement = {});

// What load_decoder would allocate, told by the calls that allocate it. Nothing is read, so that the checkpoint may be an
// outline, and of ops only the name of the arithmetic is asked. Where columns or experts do not divide evenly, the last
// rank of all has the most, but for blocks that a cut goes through. Throws Error as load_decoder does.
DecoderMemory decoder_memory(const Checkpoint& checkpoint, kernels::Ops& ops, const ShardingPlan& plan,
                             const DecoderLimits& limits);

}  // namespace troupe::model
