#include "launch/decode_cost.hpp"

#include <cmath>

namespace troupe::launch {
namespace {

bool is_routed_expert(const std::string& name) {
  return name.find(".mlp.experts.") != std::string::npos;
}

// The prediction layer follows the others.
bool is_of_prediction(const std::string& name, const model::ModelConfig& config) {
  std::int64_t layer = -1;
  std::sscanf(name.c_str(), "model.layers.%ld.", &layer);
  return layer >= config.num_hidden_layers;
}

// Calls visit(name, tensor) for each tensor that a token passes through, if it is routed there.
template <class Visit>
void each_weight(const model::Checkpoint& checkpoint, Visit&& visit) {
  for (const std::string& name : checkpoint.names())
    if (name.find("embed_tokens") == std::string::npos && !is_of_prediction(name, checkpoint.config()))
      visit(name, checkpoint.tensor(name));
}

// Part of the experts that a token is routed to.
double expert_share(const model::ModelConfig& config) {
  return double(config.num_experts_per_tok) / double(config.n_routed_experts);
}

// Of a head's query with what the cache has of a position, and of its weight with that.
double products_of_a_key(const model::ModelConfig& c) {
  if (c.has_latent()) return double(2 * c.latent().kv_lora_rank + c.latent().qk_rope_head_dim);
  return double(2 * c.grouped().head_dim);
}

}  // namespace

double weight_bytes_of_step(const model::Checkpoint& checkpoint, std::int32_t sequences) {
  double bytes = 0;
  each_weight(checkpoint, [&](const std::string& name, const model::StoredTensor& tensor) {
    const double share =
        is_routed_expert(name) ? 1 - std::pow(1 - expert_share(checkpoint.config()), sequences) : 1;
    bytes += share * double(tensor.size());
  });
  return bytes;
}

double flop_of_prompt(const model::Checkpoint& checkpoint, std::int32_t tokens) {
  const model::ModelConfig& c = checkpoint.config();
  double flop = 0;
  each_weight(checkpoint, [&](const std::string& name, const model::StoredTensor& tensor) {
    if (tensor.shape.size() != 2 || name.ends_with("_scale_inv")) return;
    const double share = is_routed_expert(name) ? expert_share(c) : 1;
    const double rows = name == "lm_head.weight" ? 1 : tokens;
    flop += 2 * rows * share * double(tensor.shape[0]) * double(tensor.shape[1]);
  });
  const double pairs = double(tokens) * (tokens + 1) / 2;
  return flop + 2 * pairs * double(c.num_hidden_layers * c.num_attention_heads) * products_of_a_key(c);
}

}  // namespace troupe::launch
