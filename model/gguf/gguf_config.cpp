#include "model/gguf/gguf_config.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numbers>
#include <optional>
#include <utility>

#include "model/config.hpp"
#include "runtime/base/error.hpp"

namespace troupe::model {
namespace {

constexpr std::pair<std::string_view, GgufArchitecture> architectures[] = {
    {"llama", GgufArchitecture::llama},
    {"qwen2", GgufArchitecture::qwen2},
    {"qwen3", GgufArchitecture::qwen3},
    {"deepseek2", GgufArchitecture::deepseek2},
};

// expert_gating_func
constexpr std::int64_t softmax_gating = 1, sigmoid_gating = 2;

// Keys under the architecture's name. Ranges are parse_config's to check.
class Keys {
 public:
  explicit Keys(const GgufFile& file)
      : file_(file), prefix_(std::string(file.at("general.architecture").text()) + ".") {}

  bool has(std::string_view name) const { return file_.has(prefix_ + std::string(name)); }
  const GgufValue& at(std::string_view name) const { return file_.at(prefix_ + std::string(name)); }
  std::int64_t integer(std::string_view name) const { return at(name).integer(0, INT64_MAX); }
  std::int64_t integer(std::string_view name, std::int64_t otherwise) const {
    return has(name) ? integer(name) : otherwise;
  }
  double number(std::string_view name, double otherwise) const {
    return has(name) ? at(name).number(-1e300, 1e300) : otherwise;
  }

 private:
  const GgufFile& file_;
  std::string prefix_;
};

const StoredTensor* find_tensor(const std::vector<GgufFile>& files, std::string_view name) {
  for (const GgufFile& file : files) {
    const auto found = file.tensors().find(name);
    if (found != file.tensors().end()) return &found->second;
  }
  return nullptr;
}

// F32 numbers in a file are those that config.json says in decimals: the shortest ones that give the same F32.
double shortest(double stored) {
  for (int digits = 1; digits < 9; ++digits) {
    char text[32];
    std::snprintf(text, sizeof text, "%.*g", digits, stored);
    if (float(std::strtod(text, nullptr)) == float(stored)) return std::strtod(text, nullptr);
  }
  return stored;
}

nlohmann::json yarn(const Keys& keys) {
  nlohmann::json rope{
      {"type", "yarn"},
      {"factor", keys.at("rope.scaling.factor").number(1, 1e4)},
      {"original_max_position_embeddings", keys.integer("rope.scaling.original_context_length")}};
  for (const auto& [key, field] : {std::pair{"rope.scaling.yarn_beta_fast", "beta_fast"},
                                   std::pair{"rope.scaling.yarn_beta_slow", "beta_slow"}})
    if (keys.has(key)) rope[field] = shortest(keys.number(key, 0));
  // A tenth of mscale_all_dim, with which mscale goes in every published model.
  if (const double log_multiplier = keys.number("rope.scaling.yarn_log_multiplier", 0); log_multiplier != 0)
    rope["mscale"] = rope["mscale_all_dim"] = shortest(float(shortest(log_multiplier) * 10));
  for (const char* key : {"rope.scaling.attn_factor", "rope.scaling.yarn_attn_factor"})
    if (keys.number(key, 1) != 1) keys.at(key).fail("must be 1");
  return rope;
}

// The parameters of the published models, which a file does not say.
constexpr Llama3Rope published_llama3{
    .low_freq_factor = 1, .high_freq_factor = 4, .original_max_position_embeddings = 8192};

// What Llama 3 divides the frequency of pair `pair` by (transformers' _compute_llama3_parameters).
double llama3_factor(double theta, std::int64_t head_dim, std::int64_t pair, double factor) {
  constexpr double low = published_llama3.low_freq_factor, high = published_llama3.high_freq_factor,
                   original = double(published_llama3.original_max_position_embeddings);
  const double wavelength = 2 * std::numbers::pi * std::pow(theta, 2 * double(pair) / double(head_dim));
  if (wavelength < original / high) return 1;
  if (wavelength > original / low) return factor;
  const double smooth = (original / wavelength - low) / (high - low);
  return 1 / ((1 - smooth) / factor + smooth);
}

// The file has no parameters of Llama 3's scaling, but what they make of each frequency: those of the published models
// are found again.
nlohmann::json llama3(const StoredTensor& factors, double theta, std::int64_t head_dim,
                      const std::string& where) {
  const std::int64_t pairs = head_dim / 2;
  // Before anything has its size, which the file says.
  if (head_dim > limits::head_dim || factors.dtype != kernels::DType::f32 ||
      factors.bytes.size() != std::size_t(pairs) * sizeof(float))
    throw Error("is not one F32 for each of " + std::to_string(pairs) + " frequencies", where);
  std::vector<float> stored(factors.bytes.size() / sizeof(float));
  std::memcpy(stored.data(), factors.bytes.data(), factors.bytes.size());
  const double factor = *std::ranges::max_element(stored);
  for (std::size_t i = 0; i < stored.size(); ++i) {
    const double expected = llama3_factor(theta, head_dim, std::int64_t(i), factor);
    if (!(std::abs(stored[i] - expected) <= 1e-4 * expected))
      throw Error("is not what Llama 3's scaling by " + std::to_string(factor) + " makes of frequencies",
                  where);
  }
  return {{"rope_type", "llama3"},
          {"factor", factor},
          {"low_freq_factor", published_llama3.low_freq_factor},
          {"high_freq_factor", published_llama3.high_freq_factor},
          {"original_max_position_embeddings", published_llama3.original_max_position_embeddings}};
}

void put_rope(nlohmann::json& config, const Keys& keys, const std::vector<GgufFile>& files,
              std::int64_t rotary_dim) {
  const double theta = shortest(keys.number("rope.freq_base", 10000));
  config["rope_theta"] = theta;
  const std::string type(keys.has("rope.scaling.type") ? keys.at("rope.scaling.type").text() : "none");
  if (type == "yarn") {
    config["rope_scaling"] = yarn(keys);
  } else if (type != "none") {
    keys.at("rope.scaling.type").fail("is \"" + type + "\"; \"yarn\" and \"none\" are supported");
  }
  if (keys.number("rope.scale_linear", 1) != 1) keys.at("rope.scale_linear").fail("must be 1");
  // llama.cpp takes a factor without a type for a linear one.
  if (!keys.has("rope.scaling.type") && keys.number("rope.scaling.factor", 1) != 1)
    keys.at("rope.scaling.factor").fail("must be 1 without rope.scaling.type");
  const StoredTensor* const factors = find_tensor(files, gguf_rope_factors);
  if (factors == nullptr) return;
  const std::string where = files.front().path().string() + ": " + std::string(gguf_rope_factors);
  if (type != "none") throw Error("is there, and rope.scaling.type, too", where);
  config["rope_scaling"] = llama3(*factors, theta, rotary_dim, where);
}

void put_tokens(nlohmann::json& config, const GgufFile& file) {
  const auto id = [&](std::string_view key) -> std::optional<std::int64_t> {
    if (!file.has(key)) return std::nullopt;
    return file.at(key).integer(0, limits::vocab_size);
  };
  if (const auto bos = id("tokenizer.ggml.bos_token_id")) config["bos_token_id"] = *bos;
  std::vector<std::int64_t> ends;
  for (const char* key :
       {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"})
    if (const auto end = id(key); end && std::ranges::find(ends, *end) == ends.end()) ends.push_back(*end);
  config["eos_token_id"] = ends;
}

// Attention with keys and values.
void put_attention(nlohmann::json& config, const Keys& keys) {
  const std::int64_t heads = keys.integer("attention.head_count");
  if (heads == 0) keys.at("attention.head_count").fail("is 0");
  const std::int64_t head_dim =
      keys.integer("attention.key_length", keys.integer("embedding_length") / heads);
  if (head_dim == 0) keys.at("embedding_length").fail("is less than the number of heads");
  if (keys.integer("attention.value_length", head_dim) != head_dim)
    keys.at("attention.value_length").fail("differs from attention.key_length");
  if (keys.integer("rope.dimension_count", head_dim) != head_dim)
    keys.at("rope.dimension_count").fail("is not the size of a head, " + std::to_string(head_dim));
  config["num_key_value_heads"] = keys.integer("attention.head_count_kv", heads);
  config["head_dim"] = head_dim;
}

// Attention in a latent space. Files of 2025 on say key_length of the cache's one head, and that of heads in _mla.
void put_latent_attention(nlohmann::json& config, const Keys& keys, bool split) {
  if (split) config["split_kv_b_proj"] = true;
  const std::int64_t rope = keys.integer("rope.dimension_count");
  const bool absorbed = keys.has("attention.key_length_mla");
  const std::string_view key = absorbed ? "attention.key_length_mla" : "attention.key_length",
                         value = absorbed ? "attention.value_length_mla" : "attention.value_length";
  if (keys.integer(key) <= rope) keys.at(key).fail("is no more than rope.dimension_count");
  config["qk_nope_head_dim"] = keys.integer(key) - rope;
  config["qk_rope_head_dim"] = rope;
  config["v_head_dim"] = keys.integer(value);
  config["kv_lora_rank"] = keys.integer("attention.kv_lora_rank");
  if (const std::int64_t rank = keys.integer("attention.q_lora_rank", 0); rank > 0)
    config["q_lora_rank"] = rank;
}

// Files of DeepSeek V3 and R1 that were made before llama.cpp knew of groups do not say its 8, of which 4 are used.
void refuse_forgotten_groups(const Keys& keys, bool sigmoid) {
  constexpr std::int64_t experts_of_v3 = 256;
  if (sigmoid && keys.integer("expert_count") == experts_of_v3 && !keys.has("expert_group_count"))
    keys.at("expert_count")
        .fail("is 256, and there is no expert_group_count; experts of DeepSeek V3 and R1 are in 8 groups",
              "convert the model anew, or add expert_group_count and expert_group_used_count to the file "
              "(8 and 4 for V3 and R1, 1 and 1 for a model without groups)");
}

void put_experts(nlohmann::json& config, const Keys& keys, bool sigmoid) {
  config["n_routed_experts"] = keys.integer("expert_count", 0);
  if (config["n_routed_experts"] == 0) return;
  config["num_experts_per_tok"] = keys.integer("expert_used_count");
  config["n_shared_experts"] = keys.integer("expert_shared_count", 0);
  config["moe_intermediate_size"] = keys.integer("expert_feed_forward_length");
  config["first_k_dense_replace"] = keys.integer("leading_dense_block_count", 0);
  config["routed_scaling_factor"] = shortest(keys.number("expert_weights_scale", 1));
  config["norm_topk_prob"] = keys.has("expert_weights_norm") && keys.at("expert_weights_norm").boolean();
  refuse_forgotten_groups(keys, sigmoid);
  config["n_group"] = keys.integer("expert_group_count", 1);
  config["topk_group"] = keys.integer("expert_group_used_count", 1);
  config["scoring_func"] = sigmoid ? "sigmoid" : "softmax";
  config["topk_method"] = sigmoid ? "noaux_tc" : config["n_group"] > 1 ? "group_limited_greedy" : "greedy";
}

// Keys that change the arithmetic, as config.json's fields of that kind are refused; 0 is llama.cpp's word for "not set".
void refuse_other_arithmetic(const Keys& keys) {
  for (const auto& [name, neutral] :
       {std::pair{"attention.sliding_window", 0}, std::pair{"attention.scale", 0},
        std::pair{"attention.clamp_kqv", 0}, std::pair{"attention.max_alibi_bias", 0},
        std::pair{"attn_logit_softcapping", 0}, std::pair{"final_logit_softcapping", 0},
        std::pair{"logit_scale", 1}, std::pair{"residual_scale", 1}, std::pair{"embedding_scale", 1}})
    if (const double value = keys.number(name, 0); value != 0 && value != neutral)
      keys.at(name).fail("is not supported", "remove the key if it changes nothing");
}

bool has_sigmoid_gating(const Keys& keys) {
  const std::int64_t gating = keys.integer("expert_gating_func", softmax_gating);
  if (gating != softmax_gating && gating != sigmoid_gating)
    keys.at("expert_gating_func").fail("is " + std::to_string(gating) + "; 1 and 2 are supported");
  return gating == sigmoid_gating;
}

// The names of the model's class and type.
std::pair<const char*, const char*> names_of(GgufArchitecture architecture, bool sigmoid) {
  switch (architecture) {
    case GgufArchitecture::llama:
      return {"LlamaForCausalLM", "llama"};
    case GgufArchitecture::qwen2:
      return {"Qwen2ForCausalLM", "qwen2"};
    case GgufArchitecture::qwen3:
      return {"Qwen3ForCausalLM", "qwen3"};
    case GgufArchitecture::deepseek2:
      break;
  }
  return sigmoid ? std::pair{"DeepseekV3ForCausalLM", "deepseek_v3"}
                 : std::pair{"DeepseekV2ForCausalLM", "deepseek_v2"};
}

}  // namespace

std::vector<float> gguf_llama3_factors(const Llama3Rope& rope, double theta, std::int64_t head_dim,
                                       std::string_view where) {
  const Llama3Rope& known = published_llama3;
  std::vector<float> factors;
  for (std::int64_t pair = 0; pair < head_dim / 2; ++pair)
    factors.push_back(float(llama3_factor(theta, head_dim, pair, rope.factor)));
  // The factor is found again as the largest of them.
  if (rope.low_freq_factor != known.low_freq_factor || rope.high_freq_factor != known.high_freq_factor ||
      rope.original_max_position_embeddings != known.original_max_position_embeddings || factors.empty() ||
      factors.back() != float(rope.factor))
    throw Error("scales frequencies as no published Llama does, for which GGUF has no keys", where);
  return factors;
}

GgufArchitecture gguf_architecture(const GgufFile& first) {
  const GgufValue& name = first.at("general.architecture");
  std::string known;
  for (const auto& [each, architecture] : architectures) {
    if (each == name.text()) return architecture;
    known += (known.empty() ? "" : ", ") + std::string(each);
  }
  name.fail("is none of those that are supported: " + known);
}

nlohmann::json gguf_config(const std::vector<GgufFile>& files) {
  const GgufFile& first = files.front();
  const GgufArchitecture architecture = gguf_architecture(first);
  const bool latent = architecture == GgufArchitecture::deepseek2;
  const Keys keys(first);
  refuse_other_arithmetic(keys);
  const bool sigmoid = latent && has_sigmoid_gating(keys);
  const auto [name, type] = names_of(architecture, sigmoid);
  const StoredTensor* const embedding = find_tensor(files, "token_embd.weight");
  if (embedding == nullptr) throw Error("is missing", first.path().string() + ": token_embd.weight");
  nlohmann::json config{
      {"architectures", {name}},
      {"model_type", type},
      {"hidden_act", "silu"},
      {"vocab_size", embedding->shape.front()},
      {"hidden_size", keys.integer("embedding_length")},
      {"num_hidden_layers", keys.integer("block_count")},
      {"intermediate_size", keys.integer("feed_forward_length")},
      {"max_position_embeddings", keys.integer("context_length")},
      {"num_attention_heads", keys.integer("attention.head_count")},
      {"rms_norm_eps", shortest(keys.at("attention.layer_norm_rms_epsilon").number(1e-12, 1))},
      {"tie_word_embeddings", find_tensor(files, "output.weight") == nullptr}};
  if (latent) {
    put_latent_attention(config, keys, find_tensor(files, "blk.0.attn_k_b.weight") != nullptr);
    put_experts(config, keys, sigmoid);
  } else {
    if (keys.integer("expert_count", 0) > 0) keys.at("expert_count").fail("must be 0 for this architecture");
    put_attention(config, keys);
  }
  put_rope(config, keys, files,
           latent ? config["qk_rope_head_dim"].get<std::int64_t>() : config["head_dim"].get<std::int64_t>());
  put_tokens(config, first);
  return config;
}

}  // namespace troupe::model
