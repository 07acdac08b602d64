#include "model/deepseek_v3_workspace.hpp"

#include <algorithm>

#include "model/rope.hpp"

namespace troupe::model {

using kernels::DType;

namespace {

kernels::RopeTable make_rope_table(const ModelConfig& config, std::int64_t positions, Storage& storage) {
  const std::int64_t half = config.qk_rope_head_dim / 2;
  kernels::RopeTable table{storage.floats({positions, half}), storage.floats({positions, half})};
  fill_rope_table(config, table);
  return table;
}

void allocate_attention(DeepseekV3Workspace& work, const ModelConfig& c, std::int64_t tokens,
                        std::int64_t heads, Storage& storage) {
  const std::int64_t rope = c.qk_rope_head_dim, nope = c.qk_nope_head_dim, latent = c.kv_lora_rank;
  work.q_low = storage.floats({tokens, c.q_lora_rank});
  work.latent = storage.floats({tokens, latent});
  work.rope_key = storage.floats({tokens, rope});
  work.queries = storage.floats({tokens * heads * (nope + rope)});
  work.absorbed = storage.floats({tokens * heads * (latent + rope)});
  work.context = storage.floats({tokens * heads * latent});
  work.values = storage.floats({tokens * heads * c.v_head_dim});
}

// Columns of the widest dense or shared layer's part.
std::int64_t widest_swiglu(const DeepseekV3Weights& weights) {
  std::int64_t widest = 0;
  for (const LayerWeights& layer : weights.layers) {
    if (const auto* dense = std::get_if<SwiGlu>(&layer.feed_forward))
      widest = std::max(widest, dense->matrices.gate.rows);
    else if (const auto& shared = std::get<MoeWeights>(layer.feed_forward).shared)
      widest = std::max(widest, shared->matrices.gate.rows);
  }
  return widest;
}

void allocate_experts(DeepseekV3Workspace& work, const ModelConfig& c, const ShardingPlan& plan,
                      std::int64_t chunk, Storage& storage) {
  const std::int64_t k = c.num_experts_per_tok, hidden = c.hidden_size;
  work.shared = storage.floats({chunk, hidden});
  work.scores = storage.floats({chunk, c.n_routed_experts});
  work.routing = {storage.tensor(DType::i32, {chunk, k}), storage.floats({chunk, k})};
  const std::int64_t rows = plan.data_parallel * chunk * k;
  work.waiting = {storage.floats({rows, hidden}), storage.tensor(DType::i32, {rows}),
                  storage.tensor(DType::i32, {1})};
  work.results = storage.floats({rows, hidden});
  const std::int64_t share = (chunk + plan.tensor_parallel - 1) / plan.tensor_parallel;
  if (plan.expert_parallel) {
    work.returned = storage.floats({share * k, hidden});
    work.mine = storage.floats({share, hidden});
    work.everyones = storage.floats({plan.tensor_parallel * share, hidden});
  } else if (plan.data_parallel > 1) {
    const std::int64_t padded = plan.ranks() * share, tokens = plan.data_parallel * chunk;
    work.mine = storage.floats({share, hidden});
    work.my_choices = storage.tensor(DType::i32, {share, k});
    work.everyones = storage.floats({padded, hidden});
    work.everyones_choices = storage.tensor(DType::i32, {padded, k});
    work.all_tokens = storage.floats({tokens, hidden});
    work.all_choices = storage.tensor(DType::i32, {tokens, k});
  }
}

}  // namespace

DeepseekV3Workspace allocate_workspace(const ModelConfig& config, const ShardingPlan& plan,
                                       const DecoderLimits& limits, const DeepseekV3Weights& weights,
                                       Storage& storage) {
  const std::int64_t tokens = limits.max_tokens, rows = limits.max_logit_rows, hidden = config.hidden_size;
  const std::int64_t heads = config.num_attention_heads / plan.tensor_parallel;
  CHECK(tokens > 0 && rows > 0 && limits.max_positions > 0, "empty decoder limits");
  DeepseekV3Workspace work;
  work.rope = make_rope_table(config, limits.max_positions, storage);
  work.hidden = storage.floats({tokens, hidden});
  work.normed = storage.floats({tokens, hidden});
  work.sum = storage.floats({tokens, hidden});
  allocate_attention(work, config, tokens, heads, storage);
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

}  // namespace troupe::model
