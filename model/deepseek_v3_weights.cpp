#include "model/deepseek_v3_weights.hpp"

#include <algorithm>
#include <string>

#include "model/weights.hpp"

namespace troupe::model {

using kernels::VirtualShards;

namespace {

// Names tensors and cuts them to the plan.
class Reader {
 public:
  Reader(const Checkpoint& checkpoint, const ShardingPlan& plan, Storage& storage)
      : config_(checkpoint.config()), plan_(plan), weights_(checkpoint, storage) {}

  DeepseekV3Weights read(Progress* progress) {
    DeepseekV3Weights model;
    const std::int64_t part = (config_.vocab_size + plan_.ranks - 1) / plan_.ranks;
    const std::int64_t first = std::min(plan_.rank * part, config_.vocab_size);
    const Slice rows{first, std::min(part, config_.vocab_size - first)};
    model.first_token = TokenId(first);
    model.vocab_part = part;
    model.embedding = weights_.matrix("model.embed_tokens.weight", rows, all(config_.hidden_size), part);
    model.lm_head = config_.tie_word_embeddings
                        ? model.embedding
                        : weights_.matrix("lm_head.weight", rows, all(config_.hidden_size), part);
    model.norm = weights_.vector("model.norm.weight");
    for (std::int64_t i = 0; i < config_.num_hidden_layers; ++i) model.layers.push_back(layer(i));
    weights_.run(progress);
    return model;
  }

 private:
  static Slice all(std::int64_t count) { return {0, count}; }

  VirtualShards my_shards(std::int64_t columns) const {
    const int count = plan_.virtual_shards / plan_.ranks;
    return {plan_.rank * count, count, plan_.virtual_shards, columns};
  }
  static Slice columns_of(const VirtualShards& shards) {
    const std::int64_t first = shards.begin(shards.first);
    return {first, shards.begin(shards.first + shards.count) - first};
  }

  LayerWeights layer(std::int64_t index) {
    const std::string prefix = "model.layers." + std::to_string(index) + ".";
    LayerWeights layer;
    layer.attention_norm = weights_.vector(prefix + "input_layernorm.weight");
    layer.feed_forward_norm = weights_.vector(prefix + "post_attention_layernorm.weight");
    layer.attention = attention(prefix + "self_attn.");
    if (config_.is_moe(index))
      layer.feed_forward = moe(prefix + "mlp.");
    else
      layer.feed_forward = swiglu(prefix + "mlp.", config_.intermediate_size);
    return layer;
  }

  AttentionWeights attention(const std::string& prefix) {
    const std::int64_t hidden = config_.hidden_size, nope = config_.qk_nope_head_dim,
                       rope = config_.qk_rope_head_dim, latent = config_.kv_lora_rank,
                       value = config_.v_head_dim;
    const std::int64_t heads = config_.num_attention_heads / plan_.ranks, first_head = plan_.rank * heads;
    const Slice queries{first_head * (nope + rope), heads * (nope + rope)};
    AttentionWeights w;
    if (config_.q_lora_rank > 0) {
      const Slice rank = all(config_.q_lora_rank);
      w.q_down = weights_.matrix(prefix + "q_a_proj.weight", rank, all(hidden));
      w.q_norm = weights_.vector(prefix + "q_a_layernorm.weight");
      w.q_up = weights_.matrix(prefix + "q_b_proj.weight", queries, rank);
    } else {
      w.q_up = weights_.matrix(prefix + "q_proj.weight", queries, all(hidden));
    }
    w.latent = weights_.matrix(prefix + "kv_a_proj_with_mqa.weight", all(latent), all(hidden));
    w.rope_key = weights_.matrix(prefix + "kv_a_proj_with_mqa.weight", {latent, rope}, all(hidden));
    w.latent_norm = weights_.vector(prefix + "kv_a_layernorm.weight");
    for (std::int64_t head = first_head; head < first_head + heads; ++head) {
      const std::int64_t row = head * (nope + value);  // a head's keys, then its values
      w.key_up.push_back(weights_.transposed(prefix + "kv_b_proj.weight", {row, nope}, all(latent)));
      w.value_up.push_back(weights_.matrix(prefix + "kv_b_proj.weight", {row + nope, value}, all(latent)));
    }
    w.out_shards = my_shards(config_.num_attention_heads * value);
    w.out = weights_.matrix(prefix + "o_proj.weight", all(hidden), columns_of(w.out_shards));
    return w;
  }

  // The part of it that the shards cover.
  kernels::Expert expert(const std::string& prefix, const VirtualShards& shards) {
    const Slice inner = columns_of(shards), hidden = all(config_.hidden_size);
    return {weights_.matrix(prefix + "gate_proj.weight", inner, hidden),
            weights_.matrix(prefix + "up_proj.weight", inner, hidden),
            weights_.matrix(prefix + "down_proj.weight", hidden, inner)};
  }

  SwiGlu swiglu(const std::string& prefix, std::int64_t intermediate) {
    const VirtualShards shards = my_shards(intermediate);
    return {expert(prefix, shards), shards};
  }

  MoeWeights moe(const std::string& prefix) {
    const std::int64_t experts = config_.n_routed_experts, inner = config_.moe_intermediate_size;
    MoeWeights w;
    w.router = weights_.matrix(prefix + "gate.weight", all(experts), all(config_.hidden_size));
    if (config_.routing_bias) w.bias = weights_.vector(prefix + "gate.e_score_correction_bias");
    std::int64_t first = 0, end = experts;
    if (plan_.expert_parallel) {
      first = plan_.rank * experts / plan_.ranks;
      end = (plan_.rank + 1) * experts / plan_.ranks;
      w.shards = {0, plan_.virtual_shards, plan_.virtual_shards, inner};
    } else {
      w.shards = my_shards(inner);
    }
    w.first = int(first);
    for (std::int64_t id = first; id < end; ++id)
      w.experts.push_back(expert(prefix + "experts." + std::to_string(id) + ".", w.shards));
    if (config_.n_shared_experts > 0)
      w.shared = swiglu(prefix + "shared_experts.", inner * config_.n_shared_experts);
    return w;
  }

  const ModelConfig& config_;
  const ShardingPlan& plan_;
  WeightReader weights_;
};

}  // namespace

DeepseekV3Weights read_deepseek_v3(const Checkpoint& checkpoint, const ShardingPlan& plan, Storage& storage,
                                   Progress* progress) {
  return Reader(checkpoint, plan, storage).read(progress);
}

}  // namespace troupe::model
