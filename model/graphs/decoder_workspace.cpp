#include "model/graphs/decoder_workspace.hpp"

#include <algorithm>

#include "model/graphs/rope.hpp"

namespace troupe::model {

using kernels::DType;

namespace {

void bring_rope_table(const ModelConfig& config, const kernels::RopeTable& table, kernels::Ops& ops) {
  const std::int64_t positions = table.cos.rows(), half = table.cos.row_elements();
  std::vector<float> cosines(std::size_t(positions * half)), sines(cosines.size());
  fill_rope_table(config, {{cosines.data(), DType::f32, {positions, half}},
                           {sines.data(), DType::f32, {positions, half}}});
  ops.upload(table.cos.raw(), std::as_bytes(std::span(cosines)));
  ops.upload(table.sin.raw(), std::as_bytes(std::span(sines)));
}

// Columns of the widest dense or shared layer's part.
std::int64_t widest_swiglu(const DecoderWeights& weights) {
  std::int64_t widest = 0;
  for (const LayerWeights& layer : weights.layers) {
    if (const auto* dense = std::get_if<SwiGlu>(&layer.feed_forward))
      widest = std::max(widest, dense->matrices.gate.rows);
    else if (const auto& shared = std::get<MoeWeights>(layer.feed_forward).shared)
      widest = std::max(widest, shared->matrices.gate.rows);
  }
  return widest;
}

void allocate_experts(DecoderWorkspace& work, const ModelConfig& c, const ShardingPlan& plan,
                      std::int64_t chunk, Storage& storage) {
  const std::int64_t k = c.num_experts_per_tok, hidden = c.hidden_size;
  work.shared = storage.floats({chunk, hidden});
  work.scores = storage.floats({chunk, c.n_routed_experts});
  work.routing = {storage.tensor(DType::i32, {chunk, k}), storage.floats({chunk, k})};
  const std::int64_t share = (chunk + plan.tensor_parallel - 1) / plan.tensor_parallel;
  const std::int64_t tokens = plan.expert_parallel ? plan.ranks() * share : plan.data_parallel * chunk;
  const std::int64_t visits = tokens * k;
  work.waiting = {plan.expert_parallel ? storage.floats({tokens, hidden}) : kernels::Tensor(),
                  storage.tensor(DType::i32, {visits}), storage.tensor(DType::i32, {visits}),
                  storage.tensor(DType::i32, {2})};
  work.results = storage.floats({visits, hidden});
  if (plan.expert_parallel) {
    work.returned = storage.floats({share * k, hidden});
    work.mine = storage.floats({share, hidden});
    work.everyones = storage.floats({plan.tensor_parallel * share, hidden});
  } else if (plan.data_parallel > 1) {
    const std::int64_t padded = plan.ranks() * share;
    work.mine = storage.floats({share, hidden});
    work.my_choices = storage.tensor(DType::i32, {share, k});
    work.everyones = storage.floats({padded, hidden});
    work.everyones_choices = storage.tensor(DType::i32, {padded, k});
    work.all_tokens = storage.floats({tokens, hidden});
    work.all_choices = storage.tensor(DType::i32, {tokens, k});
  }
}

DecoderWorkspace lay_out(const ModelConfig& config, const AttentionKind& attention, const ShardingPlan& plan,
                         const DecoderLimits& limits, const DecoderWeights& weights, Storage& storage) {
  const std::int64_t tokens = limits.max_tokens, rows = limits.max_logit_rows, hidden = config.hidden_size;
  const std::int64_t half = config.rope_dim() / 2;
  DecoderWorkspace work;
  work.rope = {storage.floats({limits.max_positions, half}), storage.floats({limits.max_positions, half})};
  work.hidden = storage.floats({tokens, hidden});
  work.normed = storage.floats({tokens, hidden});
  work.sum = storage.floats({tokens, hidden});
  work.attention = attention.make(config, plan, limits, storage);
  const std::int64_t chunk = std::min(tokens, feed_forward_tokens);
  const std::int64_t widest = widest_swiglu(weights);
  work.gate = storage.floats({chunk * widest});
  work.up = storage.floats({chunk * widest});
  if (config.n_routed_experts > 0) allocate_experts(work, config, plan, chunk, storage);
  work.selected = storage.floats({rows, hidden});
  work.logits_part = storage.floats({rows, weights.vocab_part});
  work.logits_parts = storage.floats({plan.tensor_parallel * rows * weights.vocab_part});
  work.logits = storage.floats({rows, config.vocab_size});
  return work;
}

}  // namespace

std::size_t workspace_bytes(const ModelConfig& config, const AttentionKind& attention,
                            const ShardingPlan& plan, const DecoderLimits& limits,
                            const DecoderWeights& weights, kernels::Ops& ops) {
  CHECK(limits.max_tokens > 0 && limits.max_logit_rows > 0 && limits.max_positions > 0,
        "empty decoder limits");
  Storage counted = Storage::counting(ops);
  lay_out(config, attention, plan, limits, weights, counted);
  return counted.taken();
}

DecoderWorkspace allocate_workspace(const ModelConfig& config, const AttentionKind& attention,
                                    const ShardingPlan& plan, const DecoderLimits& limits,
                                    const DecoderWeights& weights, Storage& storage) {
  kernels::Ops& ops = storage.ops();
  const std::size_t bytes = workspace_bytes(config, attention, plan, limits, weights, ops);
  storage.reserve(ops.allocate(bytes), bytes);
  DecoderWorkspace work = lay_out(config, attention, plan, limits, weights, storage);
  CHECK(storage.taken() == bytes, "a workspace that was counted otherwise");
  bring_rope_table(config, work.rope, ops);
  return work;
}

}  // namespace troupe::model
