#include "model/graphs/decoder_tensors.hpp"

namespace troupe::model {

namespace {

void feed_forward(TensorListing& list, const std::string& prefix, std::int64_t hidden,
                  std::int64_t intermediate) {
  list.linear(prefix + "gate_proj.weight", intermediate, hidden);
  list.linear(prefix + "up_proj.weight", intermediate, hidden);
  list.linear(prefix + "down_proj.weight", hidden, intermediate);
}

void experts(TensorListing& list, const ModelConfig& c) {
  list.plain("mlp.gate.weight", {c.n_routed_experts, c.hidden_size});
  if (c.routing_bias) list.plain("mlp.gate.e_score_correction_bias", {c.n_routed_experts});
  for (std::int64_t expert = 0; expert < c.n_routed_experts; ++expert) {
    feed_forward(list, "mlp.experts." + std::to_string(expert) + ".", c.hidden_size, c.moe_intermediate_size);
  }
  if (c.n_shared_experts > 0) {
    feed_forward(list, "mlp.shared_experts.", c.hidden_size, c.n_shared_experts * c.moe_intermediate_size);
  }
}

}  // namespace

void list_decoder_layer(TensorListing& list, const ModelConfig& c, std::int64_t layer,
                        void (*attention)(TensorListing&, const ModelConfig&)) {
  list.plain("input_layernorm.weight", {c.hidden_size});
  attention(list, c);
  list.plain("post_attention_layernorm.weight", {c.hidden_size});
  if (c.is_moe(layer)) {
    experts(list, c);
  } else {
    feed_forward(list, "mlp.", c.hidden_size, c.intermediate_size);
  }
}

}  // namespace troupe::model
