#include "model/checkpoint/expected_tensors.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "model/architecture.hpp"
#include "runtime/base/error.hpp"

namespace troupe::model {

using kernels::DType;

namespace {

std::string layer_prefix(std::int64_t layer) {
  return "model.layers." + std::to_string(layer) + ".";
}

// What a multi-token-prediction layer has besides a decoder layer (DeepSeek-V3's README_WEIGHTS). Embedding and
// head are shared with the main model, and need not be stored again.
void nextn_layer(TensorListing& list, const ModelConfig& c) {
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

void check_type(const ExpectedTensor& expected, const LocatedTensor& found) {
  const std::string where = found.file + ": " + expected.name;
  const DType dtype = found.stored.dtype;
  if (dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16) return;
  if (kernels::in_blocks(dtype) && expected.shape.size() == 2) return;
  if (dtype != DType::f8_e4m3 || !expected.may_be_fp8) {
    throw Error("has type " + std::string(type_name(dtype)) + ", which this tensor cannot have", where);
  }
  if (!found.stored.scale_blocks)
    throw Error(
        "is F8_E4M3, and nothing says which scales it has", where,
        "config.json must have the quantization_config, and the files the scales, that it was published with");
}

// Goes through what is expected, and counts what it finds.
class TensorCheck {
 public:
  TensorCheck(const ModelConfig& config, const LocatedTensors& found, std::string_view where)
      : config_(config), found_(found), where_(where), declared_(config.num_nextn_predict_layers) {
    config_.num_nextn_predict_layers = layers_to_look_for();
  }

  CheckedTensors run() {
    for (const ExpectedTensor& expected : expected_tensors(config_))
      if (const LocatedTensor* tensor = find(expected)) check_scale(expected, *tensor);
    for (const auto& [name, tensor] : found_) {
      if (!known_.contains(name))
        throw Error("is not a tensor that config.json calls for", tensor.file + ": " + name);
    }
    const std::int64_t whole = missing_.empty() ? config_.num_nextn_predict_layers : missing_.begin()->first;
    if (whole == 0) bytes_.prediction = 0;
    return {bytes_, whole, note(whole)};
  }

 private:
  // Those that config.json declares, and those behind them that show what they are.
  std::int64_t layers_to_look_for() const {
    std::int64_t layers = declared_;
    while (layers < limits::nextn_layers &&
           found_.contains(layer_prefix(config_.num_hidden_layers + layers) + "eh_proj.weight"))
      ++layers;
    return layers;
  }

  // Null for one that may be missing and is; with it a prediction layer as a whole may be.
  const LocatedTensor* find(const ExpectedTensor& expected) {
    const auto tensor = found_.find(expected.name);
    if (tensor == found_.end()) {
      if (!expected.required) return nullptr;
      if (expected.prediction_layer < 0)
        throw Error("is missing", std::string(where_) + ": " + expected.name);
      missing_.emplace(expected.prediction_layer, expected.name);
      return nullptr;
    }
    known_.insert(tensor->first);
    check_shape(expected, tensor->second);
    const std::size_t size = tensor->second.stored.size();
    if (expected.prediction_layer < 0) bytes_.decoder += size;
    if (expected.prediction_layer == 0) bytes_.prediction += size;
    return &tensor->second;
  }

  void check_scale(const ExpectedTensor& weight, const LocatedTensor& tensor) {
    check_type(weight, tensor);
    if (!kernels::is_scaled(tensor.stored.dtype)) return;
    const ExpectedTensor scale = weight.scale(*tensor.stored.scale_blocks);
    const LocatedTensor* scales = find(scale);
    if (config_.fp8 && scales && scales->stored.dtype != DType::f32)
      throw Error("has type " + std::string(type_name(scales->stored.dtype)) + "; scales must be F32",
                  scales->file + ": " + scale.name);
  }

  std::string note(std::int64_t whole) const {
    const std::string said = "num_nextn_predict_layers is " + std::to_string(declared_);
    if (!missing_.empty())
      return said + ", and " + missing_.begin()->second + " is missing: " +
             (whole == 0 ? "there is no prediction layer"
                         : "prediction layers that are whole: " + std::to_string(whole));
    if (whole == declared_) return {};
    return said + ", and the files hold more; prediction layers that are whole: " + std::to_string(whole);
  }

  ModelConfig config_;  // with the prediction layers that are looked for
  const LocatedTensors& found_;
  std::string_view where_;
  std::int64_t declared_;
  std::set<std::string_view> known_;
  std::map<std::int64_t, std::string>
      missing_;  // of each prediction layer that is not whole, the first tensor
  TensorBytes bytes_;
};

}  // namespace

ExpectedTensor ExpectedTensor::scale(const Fp8Blocks& blocks) const {
  CHECK(shape.size() == 2);
  return {name + "_scale_inv",
          {blocks_of(shape[0], blocks.rows), blocks_of(shape[1], blocks.cols)},
          false,
          prediction_layer};
}

std::vector<ExpectedTensor> expected_tensors(const ModelConfig& config) {
  TensorListing list;
  list.plain("model.embed_tokens.weight", {config.vocab_size, config.hidden_size});
  for (std::int64_t i = 0; i < config.num_hidden_layers + config.num_nextn_predict_layers; ++i) {
    const std::int64_t nextn = i - config.num_hidden_layers;
    list.at(layer_prefix(i), std::max<std::int64_t>(nextn, -1));
    if (nextn >= 0) nextn_layer(list, config);
    architecture_of(config).list_layer(list, config, i);
  }
  list.at("");
  list.plain("model.norm.weight", {config.hidden_size});
  if (!config.tie_word_embeddings) list.plain("lm_head.weight", {config.vocab_size, config.hidden_size});
  return std::move(list.tensors);
}

bool says_nothing_new(const ModelConfig& config, std::string_view name) {
  constexpr std::array rotary{".rotary_emb.inv_freq", ".rotary_emb.cos_cached", ".rotary_emb.sin_cached"};
  // How activations and a cache are quantised elsewhere.
  constexpr std::array activations{".input_scale",    ".input_zero_point", ".input_global_scale",
                                   ".input_scale_ub", ".output_scale",     ".q_scale",
                                   ".k_scale",        ".v_scale",          ".kv_scale"};
  const auto is_end = [&](const char* end) { return name.ends_with(end); };
  if (config.quantisation && std::ranges::any_of(activations, is_end)) return true;
  return std::ranges::any_of(rotary, is_end) ||
         name == "rope_freqs.weight" ||  // which became the config's scaling
         (config.tie_word_embeddings && name == "lm_head.weight");
}

CheckedTensors check_tensors(const ModelConfig& config, const LocatedTensors& found, std::string_view where) {
  return TensorCheck(config, found, where).run();
}

}  // namespace troupe::model
