#include "model/expected_tensors.hpp"

#include <set>

#include "runtime/base/error.hpp"

namespace troupe::model {

using kernels::DType;

namespace {

// Collects names under a prefix such as "model.layers.3.".
class Listing {
 public:
  void at(std::string prefix, LoadedWith with) {
    prefix_ = std::move(prefix);
    with_ = with;
  }
  // [outputs, inputs], FP8 in quantised checkpoints.
  void linear(std::string_view name, std::int64_t rows, std::int64_t cols) { add(name, {rows, cols}, true); }
  void plain(std::string_view name, std::vector<std::int64_t> shape) { add(name, std::move(shape), false); }
  void optional(std::string_view name, std::vector<std::int64_t> shape) {
    add(name, std::move(shape), false);
    tensors.back().required = false;
  }

  std::vector<ExpectedTensor> tensors;

 private:
  void add(std::string_view name, std::vector<std::int64_t> shape, bool may_be_fp8) {
    tensors.push_back({prefix_ + std::string(name), std::move(shape), may_be_fp8, with_});
  }
  std::string prefix_;
  LoadedWith with_ = LoadedWith::decoder;
};

void attention(Listing& list, const ModelConfig& c) {
  const std::int64_t query = c.num_attention_heads * (c.qk_nope_head_dim + c.qk_rope_head_dim);
  if (c.q_lora_rank > 0) {
    list.linear("self_attn.q_a_proj.weight", c.q_lora_rank, c.hidden_size);
    list.plain("self_attn.q_a_layernorm.weight", {c.q_lora_rank});
    list.linear("self_attn.q_b_proj.weight", query, c.q_lora_rank);
  } else {
    list.linear("self_attn.q_proj.weight", query, c.hidden_size);
  }
  list.linear("self_attn.kv_a_proj_with_mqa.weight", c.kv_lora_rank + c.qk_rope_head_dim, c.hidden_size);
  list.plain("self_attn.kv_a_layernorm.weight", {c.kv_lora_rank});
  list.linear("self_attn.kv_b_proj.weight", c.num_attention_heads * (c.qk_nope_head_dim + c.v_head_dim),
              c.kv_lora_rank);
  list.linear("self_attn.o_proj.weight", c.hidden_size, c.num_attention_heads * c.v_head_dim);
}

void feed_forward(Listing& list, const std::string& prefix, std::int64_t hidden, std::int64_t intermediate) {
  list.linear(prefix + "gate_proj.weight", intermediate, hidden);
  list.linear(prefix + "up_proj.weight", intermediate, hidden);
  list.linear(prefix + "down_proj.weight", hidden, intermediate);
}

void experts(Listing& list, const ModelConfig& c) {
  list.plain("mlp.gate.weight", {c.n_routed_experts, c.hidden_size});
  if (c.routing_bias) list.plain("mlp.gate.e_score_correction_bias", {c.n_routed_experts});
  for (std::int64_t expert = 0; expert < c.n_routed_experts; ++expert) {
    feed_forward(list, "mlp.experts." + std::to_string(expert) + ".", c.hidden_size, c.moe_intermediate_size);
  }
  if (c.n_shared_experts > 0) {
    feed_forward(list, "mlp.shared_experts.", c.hidden_size, c.n_shared_experts * c.moe_intermediate_size);
  }
}

void decoder_layer(Listing& list, const ModelConfig& c, std::int64_t layer) {
  list.plain("input_layernorm.weight", {c.hidden_size});
  attention(list, c);
  list.plain("post_attention_layernorm.weight", {c.hidden_size});
  if (c.is_moe(layer)) {
    experts(list, c);
  } else {
    feed_forward(list, "mlp.", c.hidden_size, c.intermediate_size);
  }
}

// What a multi-token-prediction layer has besides a decoder layer (DeepSeek-V3's README_WEIGHTS). Embedding and
// head are shared with the main model, and need not be stored again.
void nextn_layer(Listing& list, const ModelConfig& c) {
  list.optional("embed_tokens.weight", {c.vocab_size, c.hidden_size});
  list.plain("enorm.weight", {c.hidden_size});
  list.plain("hnorm.weight", {c.hidden_size});
  list.plain("eh_proj.weight", {c.hidden_size, 2 * c.hidden_size});
  list.plain("shared_head.norm.weight", {c.hidden_size});
  list.optional("shared_head.head.weight", {c.vocab_size, c.hidden_size});
}

std::int64_t blocks_of(std::int64_t extent, std::int64_t block) {
  return (extent + block - 1) / block;
}

void check_shape(const ExpectedTensor& expected, const LocatedTensor& found) {
  if (found.stored.shape == expected.shape) return;
  throw Error(
      "has shape " + shape_text(found.stored.shape) + "; config.json calls for " + shape_text(expected.shape),
      found.file + ": " + expected.name);
}

void check_type(const ExpectedTensor& expected, const LocatedTensor& found, bool fp8_checkpoint) {
  const std::string where = found.file + ": " + expected.name;
  const DType dtype = found.stored.dtype;
  if (dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16) return;
  if (dtype != DType::f8_e4m3 || !expected.may_be_fp8) {
    throw Error("has type " + std::string(safetensors_name(dtype)) + ", which this tensor cannot have",
                where);
  }
  if (!fp8_checkpoint) throw Error("is F8_E4M3, but config.json has no quantization_config", where);
}

}  // namespace

ExpectedTensor ExpectedTensor::scale(const Fp8Blocks& blocks) const {
  CHECK(may_be_fp8);
  return {
      name + "_scale_inv", {blocks_of(shape[0], blocks.rows), blocks_of(shape[1], blocks.cols)}, false, with};
}

std::vector<ExpectedTensor> expected_tensors(const ModelConfig& config) {
  Listing list;
  list.plain("model.embed_tokens.weight", {config.vocab_size, config.hidden_size});
  for (std::int64_t i = 0; i < config.num_hidden_layers + config.num_nextn_predict_layers; ++i) {
    const std::int64_t nextn = i - config.num_hidden_layers;
    list.at("model.layers." + std::to_string(i) + ".", nextn < 0    ? LoadedWith::decoder
                                                       : nextn == 0 ? LoadedWith::prediction
                                                                    : LoadedWith::nothing);
    if (nextn >= 0) nextn_layer(list, config);
    decoder_layer(list, config, i);
  }
  list.at("", LoadedWith::decoder);
  list.plain("model.norm.weight", {config.hidden_size});
  if (!config.tie_word_embeddings) list.plain("lm_head.weight", {config.vocab_size, config.hidden_size});
  return std::move(list.tensors);
}

TensorBytes check_tensors(const ModelConfig& config, const LocatedTensors& found, std::string_view where) {
  std::set<std::string_view> known;
  TensorBytes bytes;
  const auto find = [&](const ExpectedTensor& expected) -> const LocatedTensor& {
    const auto tensor = found.find(expected.name);
    if (tensor == found.end()) throw Error("is missing", std::string(where) + ": " + expected.name);
    known.insert(tensor->first);
    check_shape(expected, tensor->second);
    if (expected.with == LoadedWith::decoder) bytes.decoder += tensor->second.stored.bytes.size();
    if (expected.with == LoadedWith::prediction) bytes.prediction += tensor->second.stored.bytes.size();
    return tensor->second;
  };
  for (const ExpectedTensor& expected : expected_tensors(config)) {
    if (!expected.required && !found.contains(expected.name)) continue;
    const LocatedTensor& tensor = find(expected);
    check_type(expected, tensor, config.fp8.has_value());
    if (tensor.stored.dtype != DType::f8_e4m3) continue;
    const ExpectedTensor scale = expected.scale(*config.fp8);
    const LocatedTensor& scales = find(scale);
    if (scales.stored.dtype != DType::f32) {
      throw Error("has type " + std::string(safetensors_name(scales.stored.dtype)) + "; scales must be F32",
                  scales.file + ": " + scale.name);
    }
  }
  for (const auto& [name, tensor] : found) {
    if (!known.contains(name))
      throw Error("is not a tensor that config.json calls for", tensor.file + ": " + name);
  }
  return bytes;
}

}  // namespace troupe::model
