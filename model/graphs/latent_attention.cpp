#include "model/graphs/latent_attention.hpp"

#include "model/graphs/decoder_graph.hpp"
#include "model/graphs/decoder_tensors.hpp"
#include "model/graphs/key_index.hpp"
#include "model/graphs/plan_cut.hpp"
#include "model/graphs/rope.hpp"

namespace troupe::model {

using kernels::RopePairs;
using kernels::Tensor;

namespace {

void list_latent_attention(TensorListing& list, const ModelConfig& config) {
  const LatentAttentionConfig& c = config.latent();
  const std::int64_t hidden = config.hidden_size, heads = config.num_attention_heads;
  const std::int64_t query = heads * (c.qk_nope_head_dim + c.qk_rope_head_dim);
  if (c.q_lora_rank > 0) {
    list.linear("self_attn.q_a_proj.weight", c.q_lora_rank, hidden);
    list.plain("self_attn.q_a_layernorm.weight", {c.q_lora_rank});
    list.linear("self_attn.q_b_proj.weight", query, c.q_lora_rank);
  } else {
    list.linear("self_attn.q_proj.weight", query, hidden);
  }
  list.linear("self_attn.kv_a_proj_with_mqa.weight", c.kv_lora_rank + c.qk_rope_head_dim, hidden);
  list.plain("self_attn.kv_a_layernorm.weight", {c.kv_lora_rank});
  if (c.split_kv_b_proj) {
    list.linear("self_attn.k_b_proj.weight", heads * c.kv_lora_rank, c.qk_nope_head_dim);
    list.linear("self_attn.v_b_proj.weight", heads * c.v_head_dim, c.kv_lora_rank);
  } else {
    list.linear("self_attn.kv_b_proj.weight", heads * (c.qk_nope_head_dim + c.v_head_dim), c.kv_lora_rank);
  }
  list.linear("self_attn.o_proj.weight", hidden, heads * c.v_head_dim);
  if (c.indexer) list_key_index(list, config);
}

// From a token's latent to the keys and values of these heads.
void read_up_projections(WeightReader& reader, const LatentAttentionConfig& c, Slice heads,
                         const std::string& prefix, LatentAttentionWeights& w) {
  const std::int64_t nope = c.qk_nope_head_dim, value = c.v_head_dim;
  const Slice latent = all(c.kv_lora_rank);
  std::vector<MatrixPart> keys, values;
  for (std::int64_t head = heads.first; head < heads.first + heads.count; ++head) {
    const std::int64_t row = head * (nope + value);  // a head's keys, then its values
    if (c.split_kv_b_proj) {
      keys.push_back({prefix + "k_b_proj.weight", {head * latent.count, latent.count}, all(nope)});
      values.push_back({prefix + "v_b_proj.weight", {head * value, value}, latent});
    } else {
      keys.push_back({prefix + "kv_b_proj.weight", {row, nope}, latent});
      values.push_back({prefix + "kv_b_proj.weight", {row + nope, value}, latent});
    }
  }
  w.key_up = c.split_kv_b_proj ? reader.stack(keys) : reader.turned_stack(keys);
  w.value_up = reader.stack(values);
}

AttentionWeights read_latent_attention_weights(WeightReader& reader, const ModelConfig& config,
                                               const ShardingPlan& plan, const std::string& prefix) {
  const LatentAttentionConfig& c = config.latent();
  const std::int64_t nope = c.qk_nope_head_dim, rope = c.qk_rope_head_dim, value = c.v_head_dim;
  const Slice hidden = all(config.hidden_size), latent = all(c.kv_lora_rank);
  const Slice heads = even_part(plan, config.num_attention_heads);
  const Slice queries{heads.first * (nope + rope), heads.count * (nope + rope)};
  LatentAttentionWeights w;
  if (c.q_lora_rank > 0) {
    w.q_down = reader.matrix(prefix + "q_a_proj.weight", all(c.q_lora_rank), hidden);
    w.q_norm = reader.vector(prefix + "q_a_layernorm.weight");
    w.q_up = reader.matrix(prefix + "q_b_proj.weight", queries, all(c.q_lora_rank));
  } else {
    w.q_up = reader.matrix(prefix + "q_proj.weight", queries, hidden);
  }
  w.latent = reader.matrix(prefix + "kv_a_proj_with_mqa.weight", latent, hidden);
  w.rope_key = reader.matrix(prefix + "kv_a_proj_with_mqa.weight", {latent.count, rope}, hidden);
  w.latent_norm = reader.vector(prefix + "kv_a_layernorm.weight");
  read_up_projections(reader, c, heads, prefix, w);
  w.out_shards = group_shards(plan, config.num_attention_heads * value);
  w.out = reader.matrix(prefix + "o_proj.weight", hidden, columns_of(w.out_shards));
  if (c.indexer) w.index = read_key_index(reader, config, prefix + "indexer.");
  return w;
}

// H: heads of this rank. Buffers called flat are cut to shape by the step.
class LatentAttention final : public Attention {
 public:
  LatentAttention(const ModelConfig& config, const ShardingPlan& plan, const DecoderLimits& limits,
                  Storage& storage)
      : ops_(storage.ops()),
        c_(config.latent()),
        heads_(config.num_attention_heads / plan.tensor_parallel),
        scale_(softmax_scale(config)) {
    const std::int64_t tokens = limits.max_tokens;
    q_low_ = storage.floats({tokens, c_.q_lora_rank});
    latent_ = storage.floats({tokens, c_.kv_lora_rank});
    rope_key_ = storage.floats({tokens, c_.qk_rope_head_dim});
    queries_ = storage.floats({tokens * heads_ * (c_.qk_nope_head_dim + c_.qk_rope_head_dim)});
    absorbed_ = storage.floats({tokens * heads_ * width()});
    context_ = storage.floats({tokens * heads_ * c_.kv_lora_rank});
    values_ = storage.floats({tokens * heads_ * c_.v_head_dim});
    if (c_.indexer) index_.emplace(c_, limits, storage);
  }

  void run(const AttentionStep& step, const AttentionWeights& weights) const override {
    const auto& w = std::get<LatentAttentionWeights>(weights);
    const std::int64_t tokens = step.layout.tokens, value = c_.v_head_dim;
    project(step, w);
    store_keys(step, w);
    const Tensor queries = absorbed_queries(step, w);
    const Tensor context = context_.reshape({tokens, heads_, c_.kv_lora_rank});
    attend(step, w, queries, context);
    const Tensor values = values_.reshape({tokens, heads_, value});
    ops_.head_linear(step.queue, context, w.value_up, values);
    ops_.linear_sharded(step.queue, values.reshape({tokens, heads_ * value}), w.out, w.out_shards, step.out);
  }

 private:
  std::int64_t width() const { return c_.kv_lora_rank + c_.qk_rope_head_dim; }

  // All that the attention takes from the hidden state, in one list.
  void project(const AttentionStep& step, const LatentAttentionWeights& w) const {
    const std::int64_t tokens = step.layout.tokens;
    std::vector<kernels::Projection> parts{{w.latent, latent_.slice(0, tokens)},
                                           {w.rope_key, rope_key_.slice(0, tokens)}};
    if (w.q_down)
      parts.push_back({*w.q_down, q_low_.slice(0, tokens)});
    else
      parts.push_back({w.q_up, queries_.reshape({tokens, w.q_up.rows})});
    if (w.index) {
      parts.push_back(index_->key(*w.index, tokens));
      parts.push_back(index_->head_weights(*w.index, tokens));
    }
    ops_.project(step.queue, step.x, parts);
  }

  void store_keys(const AttentionStep& step, const LatentAttentionWeights& w) const {
    const std::int64_t tokens = step.layout.tokens;
    const Tensor latent = latent_.slice(0, tokens), rope_key = rope_key_.slice(0, tokens);
    ops_.rms_norm(step.queue, latent, w.latent_norm, inner_norm_epsilon, latent);
    const Tensor one_head = rope_key.reshape({tokens, 1, c_.qk_rope_head_dim});
    ops_.rope(step.queue, one_head, step.rope, step.layout, {RopePairs::neighbours}, one_head);
    ops_.store_entries(step.queue, latent.reshape({tokens, 1, c_.kv_lora_rank}), one_head, step.layout,
                       step.cache);
    if (w.index) index_->store_keys(step, *w.index);
  }

  // [T, H, latent + rope]: a query's nope part times W_UK, so that it meets latents as if they were keys:
  // q . (W_UK c) = (W_UK^T q) . c (DeepSeek-V2, section 2.1.2). Keys of all heads need never be made or stored.
  Tensor absorbed_queries(const AttentionStep& step, const LatentAttentionWeights& w) const {
    const std::int64_t tokens = step.layout.tokens, query = c_.qk_nope_head_dim + c_.qk_rope_head_dim;
    const Tensor flat = queries_.reshape({tokens, heads_ * query});
    if (w.q_down) {
      const Tensor low = q_low_.slice(0, tokens);
      ops_.rms_norm(step.queue, low, w.q_norm, inner_norm_epsilon, low);
      ops_.linear(step.queue, low, w.q_up, flat);
    }
    const Tensor queries = flat.reshape({tokens, heads_, query});
    const Tensor absorbed = absorbed_.reshape({tokens, heads_, width()});
    ops_.head_linear(step.queue, queries, w.key_up, absorbed);
    ops_.rope(step.queue, queries, step.rope, step.layout, {RopePairs::neighbours}, absorbed);
    return absorbed;
  }

  // Behind absorbed_queries, which norms what the index takes its queries from.
  void attend(const AttentionStep& step, const LatentAttentionWeights& w, const Tensor& queries,
              const Tensor& context) const {
    if (!w.index || !index_->selects(step.layout))
      return ops_.mla_attention(step.queue, queries, step.cache, step.layout, scale_, context);
    const Tensor selected = index_->select(step, *w.index, q_low_.slice(0, step.layout.tokens));
    ops_.sparse_mla_attention(step.queue, queries, step.cache, selected, step.layout, scale_, context);
  }

  kernels::Ops& ops_;
  const LatentAttentionConfig c_;
  std::int64_t heads_;  // H
  float scale_;
  Tensor q_low_;              // [T, q_lora_rank]
  Tensor latent_, rope_key_;  // [T, latent], [T, rope]
  Tensor queries_;            // flat [T, H, nope + rope]
  Tensor absorbed_;           // flat [T, H, latent + rope]
  Tensor context_, values_;   // flat [T, H, latent], [T, H, v]
  std::optional<KeyIndex> index_;
};

}  // namespace

constinit const AttentionKind latent_attention{.read = read_latent_attention_weights,
                                               .make = make_attention<LatentAttention>};

void list_latent_layer(TensorListing& list, const ModelConfig& config, std::int64_t layer) {
  list_decoder_layer(list, config, layer, list_latent_attention);
}

Expected<void> check_latent_heads(const ModelConfig& config, const ShardingPlan& plan) {
  return check_even(config.num_attention_heads, "attention heads", plan);
}

CacheForms latent_cache_forms(const ModelConfig& config, const ShardingPlan&, kernels::CacheType type) {
  const LatentAttentionConfig& c = config.latent();
  return {.entry = kernels::latent_entry(type, c.kv_lora_rank, c.qk_rope_head_dim),
          .index_key = kernels::key_entry(type, c.indexer ? c.indexer->index_head_dim : 0)};
}

std::unique_ptr<Decoder> load_latent_decoder(const DecoderOrder& order) {
  return load_decoder_graph(order, latent_attention);
}

DecoderMemory measure_latent_decoder(const DecoderOrder& order) {
  return measure_decoder_graph(order, latent_attention);
}

}  // namespace troupe::model
