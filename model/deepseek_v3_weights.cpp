#include "model/deepseek_v3_weights.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include "model/weights.hpp"

namespace troupe::model {

using kernels::VirtualShards;

namespace {

constexpr std::int64_t rows_between_ticks = 256;  // few MB

// Names tensors and cuts them to the plan.
class Reader {
 public:
  Reader(const Checkpoint& checkpoint, const ShardingPlan& plan, const transport::ExpertPlacement& placement,
         Storage& storage, const LoadObservers& observers)
      : checkpoint_(checkpoint),
        config_(checkpoint.config()),
        plan_(plan),
        placement_(placement),
        ops_(storage.ops()),
        ticks_(observers.ticks),
        weights_(checkpoint, storage, observers) {}

  DeepseekV3Weights read(bool with_prediction) {
    DeepseekV3Weights model;
    const std::int64_t part = part_of(config_.vocab_size);
    const Slice rows = rows_of(config_.vocab_size);
    model.first_token = TokenId(rows.first);
    model.vocab_part = part;
    const Slice hidden = all(config_.hidden_size);
    if (config_.tie_word_embeddings) {
      model.embedding = model.lm_head = weights_.matrix("model.embed_tokens.weight", rows, hidden, part);
    } else {
      model.embedding = weights_.table("model.embed_tokens.weight", rows, hidden, part);
      model.lm_head = weights_.matrix("lm_head.weight", rows, hidden, part);
    }
    model.norm = weights_.vector("model.norm.weight");
    const std::int64_t layers = config_.num_hidden_layers + with_prediction;
    for (std::int64_t i = 0; i < layers; ++i) model.layers.push_back(layer(i));
    if (with_prediction) model.prediction = prediction(model);
    for (std::int64_t i = 0; i < layers; ++i)
      if (auto* moe = std::get_if<MoeWeights>(&model.layers[std::size_t(i)].feed_forward))
        moe->experts = experts(i, moe->shards, [](std::int64_t) { return true; });
    weights_.run();
    return model;
  }

  void place(DeepseekV3Weights& model) {
    std::vector<RoutedExperts> arrived(model.layers.size());
    for (std::size_t i = 0; i < arrived.size(); ++i)
      if (const auto* moe = std::get_if<MoeWeights>(&model.layers[i].feed_forward))
        arrived[i] =
            experts(std::int64_t(i), moe->shards, [&](std::int64_t id) { return !moe->experts.holds(id); });
    weights_.run();
    for (std::size_t i = 0; i < arrived.size(); ++i)
      if (auto* moe = std::get_if<MoeWeights>(&model.layers[i].feed_forward))
        moe->experts = joined(std::move(moe->experts), std::move(arrived[i]));
  }

 private:
  static Slice all(std::int64_t count) { return {0, count}; }

  // The rank's part of a sum that so many ranks share.
  VirtualShards shards_of(int rank, int ranks, std::int64_t columns) const {
    const int count = plan_.virtual_shards / ranks;
    return {rank * count, count, plan_.virtual_shards, columns};
  }
  VirtualShards group_shards(std::int64_t columns) const {
    return shards_of(plan_.group_rank(), plan_.tensor_parallel, columns);
  }
  static Slice columns_of(const VirtualShards& shards) {
    const std::int64_t first = shards.begin(shards.first);
    return {first, shards.begin(shards.first + shards.count) - first};
  }

  // A matrix whose rows the ranks of a group share: rows of each, the last ones' padded; and this rank's.
  std::int64_t part_of(std::int64_t rows) const {
    return (rows + plan_.tensor_parallel - 1) / plan_.tensor_parallel;
  }
  Slice rows_of(std::int64_t rows) const {
    const std::int64_t part = part_of(rows), first = std::min(plan_.group_rank() * part, rows);
    return {first, std::min(part, rows - first)};
  }

  static std::string layer_prefix(std::int64_t index) {
    return "model.layers." + std::to_string(index) + ".";
  }

  LayerWeights layer(std::int64_t index) {
    const std::string prefix = layer_prefix(index);
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

  PredictionWeights prediction(const DeepseekV3Weights& model) {
    const std::string prefix = layer_prefix(config_.num_hidden_layers);
    const std::string embedding = prefix + "embed_tokens.weight", head = prefix + "shared_head.head.weight";
    const std::int64_t hidden = config_.hidden_size;
    const Slice vocabulary = rows_of(config_.vocab_size);
    PredictionWeights w;
    w.embedding_norm = weights_.vector(prefix + "enorm.weight");
    w.hidden_norm = weights_.vector(prefix + "hnorm.weight");
    w.join_part = part_of(hidden);
    w.join = weights_.matrix(prefix + "eh_proj.weight", rows_of(hidden), all(2 * hidden), w.join_part);
    w.embedding = own(embedding, "model.embed_tokens.weight", vocabulary)
                      ? weights_.table(embedding, vocabulary, all(hidden), model.vocab_part)
                      : model.embedding;
    w.head =
        own(head, config_.tie_word_embeddings ? "model.embed_tokens.weight" : "lm_head.weight", vocabulary)
            ? weights_.matrix(head, vocabulary, all(hidden), model.vocab_part)
            : model.lm_head;
    w.norm = weights_.vector(prefix + "shared_head.norm.weight");
    return w;
  }

  // Whether the checkpoint has the tensor and this rank's rows of it are not those of the main model's, which
  // published checkpoints repeat.
  bool own(const std::string& name, const std::string& main, Slice rows) const {
    if (!checkpoint_.has(name)) return false;
    const StoredTensor &mine = checkpoint_.tensor(name), &shared = checkpoint_.tensor(main);
    if (mine.dtype != shared.dtype) return true;
    const std::size_t row_bytes = std::size_t(config_.hidden_size) * kernels::size_of(mine.dtype);
    for (std::int64_t row = rows.first; row < rows.first + rows.count; ++row) {
      const std::size_t begin = std::size_t(row) * row_bytes;
      if (std::memcmp(&mine.bytes[begin], &shared.bytes[begin], row_bytes) != 0) return true;
      if (ticks_ && row % rows_between_ticks == 0) ticks_->piece_done();  // disks are slow
    }
    return false;
  }

  AttentionWeights attention(const std::string& prefix) {
    const std::int64_t hidden = config_.hidden_size, nope = config_.qk_nope_head_dim,
                       rope = config_.qk_rope_head_dim, latent = config_.kv_lora_rank,
                       value = config_.v_head_dim;
    const std::int64_t heads = config_.num_attention_heads / plan_.tensor_parallel,
                       first_head = plan_.group_rank() * heads;
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
    w.out_shards = group_shards(config_.num_attention_heads * value);
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
    const VirtualShards shards = group_shards(intermediate);
    return {expert(prefix, shards), shards};
  }

  MoeWeights moe(const std::string& prefix) {
    const std::int64_t experts = config_.n_routed_experts, inner = config_.moe_intermediate_size;
    MoeWeights w;
    w.router = weights_.matrix(prefix + "gate.weight", all(experts), all(config_.hidden_size));
    if (config_.routing_bias) w.bias = weights_.vector(prefix + "gate.e_score_correction_bias");
    w.shards = plan_.expert_parallel ? VirtualShards{0, plan_.virtual_shards, plan_.virtual_shards, inner}
                                     : shards_of(plan_.rank, plan_.ranks(), inner);
    if (config_.n_shared_experts > 0)
      w.shared = swiglu(prefix + "shared_experts.", inner * config_.n_shared_experts);
    return w;
  }

  // Without expert parallelism every rank has a part of each.
  bool belongs_here(std::int64_t id) const {
    return !plan_.expert_parallel || placement_.holds(plan_.rank, id);
  }

  // Of the experts that belong here, those that are wanted.
  template <class Wanted>
  RoutedExperts experts(std::int64_t layer, const VirtualShards& shards, Wanted wanted) {
    RoutedExperts result;
    result.place_of.assign(std::size_t(config_.n_routed_experts), -1);
    for (std::int64_t id = 0; id < config_.n_routed_experts; ++id) {
      if (!belongs_here(id) || !wanted(id)) continue;
      result.place_of[std::size_t(id)] = std::int32_t(result.matrices.size());
      Storage memory(ops_);
      weights_.store_in(memory);
      result.matrices.push_back(
          expert(layer_prefix(layer) + "mlp.experts." + std::to_string(id) + ".", shards));
      result.memory.push_back(std::move(memory));
    }
    return result;
  }

  // The experts of both that belong here.
  RoutedExperts joined(RoutedExperts present, RoutedExperts arrived) const {
    RoutedExperts result;
    result.place_of.assign(present.place_of.size(), -1);
    for (std::int64_t id = 0; id < config_.n_routed_experts; ++id) {
      if (!belongs_here(id)) continue;
      RoutedExperts& from = present.holds(id) ? present : arrived;
      const auto place = std::size_t(from.place_of[std::size_t(id)]);
      result.place_of[std::size_t(id)] = std::int32_t(result.matrices.size());
      result.matrices.push_back(from.matrices[place]);
      result.memory.push_back(std::move(from.memory[place]));
    }
    return result;
  }

  const Checkpoint& checkpoint_;
  const ModelConfig& config_;
  const ShardingPlan& plan_;
  const transport::ExpertPlacement& placement_;
  kernels::Ops& ops_;
  TickBoard* ticks_;  // may be null
  WeightReader weights_;
};

}  // namespace

DeepseekV3Weights read_deepseek_v3(const Checkpoint& checkpoint, const ShardingPlan& plan,
                                   const transport::ExpertPlacement& placement, Storage& storage,
                                   const LoadObservers& observers, bool prediction) {
  return Reader(checkpoint, plan, placement, storage, observers).read(prediction);
}

void place_experts(const Checkpoint& checkpoint, const ShardingPlan& plan,
                   const transport::ExpertPlacement& placement, Storage& storage,
                   const LoadObservers& observers, DeepseekV3Weights& weights) {
  Reader(checkpoint, plan, placement, storage, observers).place(weights);
}

}  // namespace troupe::model
