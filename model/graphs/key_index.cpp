#include "model/graphs/key_index.hpp"

#include <algorithm>

#include "model/graphs/plan_cut.hpp"

namespace troupe::model {

using kernels::Tensor;

namespace {

constexpr std::int64_t index_rows_at_once = 64;  // which bounds the scores
// In the index it is a head's first elements that are turned, as halves (the published code's note of 2025-11-17).
constexpr kernels::RopeForm index_rope{kernels::RopePairs::halves, true};

}  // namespace

void list_key_index(TensorListing& list, const ModelConfig& config) {
  const auto& [heads, width, most] = *config.latent().indexer;
  list.linear("self_attn.indexer.wq_b.weight", heads * width, config.latent().q_lora_rank);
  list.linear("self_attn.indexer.wk.weight", width, config.hidden_size);
  list.plain("self_attn.indexer.k_norm.weight", {width});
  list.plain("self_attn.indexer.k_norm.bias", {width});
  list.plain("self_attn.indexer.weights_proj.weight", {heads, config.hidden_size});
}

LatentAttentionWeights::Index read_key_index(WeightReader& reader, const ModelConfig& config,
                                             const std::string& prefix) {
  const auto& [heads, width, most] = *config.latent().indexer;
  const Slice hidden = all(config.hidden_size), low = all(config.latent().q_lora_rank);
  return {.query = reader.matrix(prefix + "wq_b.weight", all(heads * width), low),
          .key = reader.matrix(prefix + "wk.weight", all(width), hidden),
          .key_norm = reader.vector(prefix + "k_norm.weight"),
          .key_shift = reader.vector(prefix + "k_norm.bias"),
          .head_weights = reader.matrix(prefix + "weights_proj.weight", all(heads), hidden)};
}

KeyIndex::KeyIndex(const LatentAttentionConfig& config, const DecoderLimits& limits, Storage& storage)
    : ops_(storage.ops()),
      heads_(config.indexer->index_n_heads),
      width_(config.indexer->index_head_dim),
      most_(config.indexer->index_topk) {
  const std::int64_t tokens = limits.max_tokens;
  keys_ = storage.floats({tokens, width_});
  weights_ = storage.floats({tokens, heads_});
  if (limits.max_positions <= most_) return;
  queries_ = storage.floats({tokens * heads_ * width_});
  scores_ = storage.floats({std::min(tokens, index_rows_at_once), limits.max_positions});
  selected_ = storage.tensor(kernels::DType::i32, {tokens, most_});
}

kernels::Projection KeyIndex::key(const Weights& w, std::int64_t tokens) const {
  return {w.key, keys_.slice(0, tokens)};
}
kernels::Projection KeyIndex::head_weights(const Weights& w, std::int64_t tokens) const {
  return {w.head_weights, weights_.slice(0, tokens)};
}

void KeyIndex::store_keys(const AttentionStep& step, const Weights& w) const {
  const std::int64_t tokens = step.layout.tokens;
  const Tensor keys = keys_.slice(0, tokens), one_head = keys.reshape({tokens, 1, width_});
  const Tensor nothing(nullptr, kernels::DType::f32, {tokens, 1, 0});
  ops_.layer_norm(step.queue, keys, w.key_norm, w.key_shift, inner_norm_epsilon, keys);
  ops_.rope(step.queue, one_head, step.rope, step.layout, index_rope, one_head);
  ops_.store_entries(step.queue, one_head, nothing, step.layout, *step.index_keys);
}

bool KeyIndex::selects(const kernels::StepLayout& layout) const {
  return std::ranges::any_of(layout.sequences,
                             [&](const auto& s) { return s.first_position + s.rows > most_; });
}

// Factors that all scores of a row have in common are left out, as is the Hadamard transform of queries and keys, which
// changes no product.
Tensor KeyIndex::select(const AttentionStep& step, const Weights& w, const Tensor& low) const {
  const std::int64_t tokens = step.layout.tokens;
  const Tensor queries = queries_.reshape({tokens, heads_, width_}), selected = selected_.slice(0, tokens);
  ops_.linear(step.queue, low, w.query, queries.reshape({tokens, heads_ * width_}));
  ops_.rope(step.queue, queries, step.rope, step.layout, index_rope, queries);
  ops_.select_keys(step.queue, queries, weights_.slice(0, tokens), *step.index_keys, step.layout, scores_,
                   selected);
  return selected;
}

}  // namespace troupe::model
