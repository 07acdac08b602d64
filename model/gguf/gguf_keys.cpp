#include "model/gguf/gguf_keys.hpp"

#include <array>
#include <nlohmann/json.hpp>
#include <optional>

#include "model/config.hpp"
#include "model/json/value.hpp"
#include "model/text/token_ids.hpp"
#include "runtime/base/error.hpp"

namespace troupe::model {
namespace {

struct GgufFamily {
  std::string_view published, gguf;
};
constexpr GgufFamily families[] = {
    {"LlamaForCausalLM", "llama"},          {"Qwen2ForCausalLM", "qwen2"},
    {"Qwen3ForCausalLM", "qwen3"},          {"DeepseekV2ForCausalLM", "deepseek2"},
    {"DeepseekV3ForCausalLM", "deepseek2"}, {"KimiK2ForCausalLM", "deepseek2"},
};

class KeyWriter {
 public:
  KeyWriter(const nlohmann::json& config, std::string_view where) : config_(config, where) {
    const JsonValue names = config_["architectures"];
    const std::string published = names.element(0).text();
    for (const GgufFamily& family : families)
      if (family.published == published) prefix_ = family.gguf;
    if (prefix_.empty()) names.fail("has no name in GGUF");
  }

  GgufKeys run(std::string_view name) {
    keys_.text("general.architecture", prefix_);
    keys_.text("general.name", name);
    integer("context_length", "max_position_embeddings");
    integer("embedding_length", "hidden_size");
    integer("block_count", "num_hidden_layers");
    integer("feed_forward_length", "intermediate_size");
    integer("attention.head_count", "num_attention_heads");
    number("attention.layer_norm_rms_epsilon", "rms_norm_eps");
    integer("vocab_size", "vocab_size");
    prefix_ == "deepseek2" ? latent_attention() : grouped_attention();
    if (prefix_ == "deepseek2") experts();
    rope();
    tokens();
    return std::move(keys_);
  }

 private:
  static constexpr std::int64_t most = std::int64_t(1) << 31;

  std::string key(std::string_view name) const { return prefix_ + "." + std::string(name); }
  void put(std::string_view name, std::int64_t value) { keys_.u32(key(name), std::uint32_t(value)); }
  void put(std::string_view name, double value) { keys_.f32(key(name), float(value)); }
  void integer(std::string_view name, const char* field) {
    if (const auto value = config_[field].optional_integer(0, most)) put(name, *value);
  }
  void number(std::string_view name, const char* field) {
    if (const auto value = config_[field].optional_number(-1e30, 1e30)) put(name, *value);
  }

  void grouped_attention() {
    const std::int64_t heads = config_["num_attention_heads"].integer(1, limits::heads);
    const std::int64_t head_dim = config_["head_dim"].optional_integer(1, most).value_or(
        config_["hidden_size"].integer(1, most) / heads);
    put("attention.head_count_kv", config_["num_key_value_heads"].optional_integer(1, most).value_or(heads));
    put("attention.key_length", head_dim);
    put("attention.value_length", head_dim);
    put("rope.dimension_count", head_dim);
  }

  void latent_attention() {
    const std::int64_t rope = config_["qk_rope_head_dim"].integer(1, limits::head_dim);
    integer("attention.q_lora_rank", "q_lora_rank");
    integer("attention.kv_lora_rank", "kv_lora_rank");
    put("attention.key_length", rope + config_["qk_nope_head_dim"].integer(1, limits::head_dim));
    integer("attention.value_length", "v_head_dim");
    integer("attention.head_count_kv", "num_attention_heads");
    put("rope.dimension_count", rope);
  }

  void experts() {
    integer("leading_dense_block_count", "first_k_dense_replace");
    integer("expert_count", "n_routed_experts");
    integer("expert_used_count", "num_experts_per_tok");
    integer("expert_shared_count", "n_shared_experts");
    integer("expert_feed_forward_length", "moe_intermediate_size");
    integer("expert_group_count", "n_group");
    integer("expert_group_used_count", "topk_group");
    number("expert_weights_scale", "routed_scaling_factor");
    if (const auto norm = config_["norm_topk_prob"].optional_boolean())
      keys_.boolean(key("expert_weights_norm"), *norm);
    // V3's own, where config.json does not say.
    const char* const otherwise =
        config_["architectures"].element(0).text() == "DeepseekV2ForCausalLM" ? "softmax" : "sigmoid";
    const bool sigmoid = config_["scoring_func"].optional_text().value_or(otherwise) == "sigmoid";
    put("expert_gating_func", std::int64_t{sigmoid ? 2 : 1});
    const auto frequency = config_["moe_layer_freq"].optional_integer(1, most);
    if (frequency.value_or(1) != 1) config_["moe_layer_freq"].fail("has no key in GGUF");
  }

  void rope() {
    number("rope.freq_base", "rope_theta");
    const JsonValue scaling = config_[config_["rope_scaling"].is_null() ? "rope_parameters" : "rope_scaling"];
    if (scaling.is_null()) return;
    const auto theta = scaling["rope_theta"].optional_number(0, 1e30);
    if (theta && config_["rope_theta"].is_null()) put("rope.freq_base", *theta);
    const std::string type =
        scaling[scaling["rope_type"].is_null() ? "type" : "rope_type"].optional_text().value_or("default");
    if (type == "default" || type == "llama3") return;  // which gguf_rope_factors says
    if (type != "yarn") scaling.fail("of type \"" + type + "\" has no keys in GGUF");
    keys_.text(key("rope.scaling.type"), "yarn");
    put("rope.scaling.factor", scaling["factor"].number(1, 1e4));
    put("rope.scaling.original_context_length", scaling["original_max_position_embeddings"].integer(1, most));
    for (const auto& [name, field] : {std::pair{"rope.scaling.yarn_beta_fast", "beta_fast"},
                                      std::pair{"rope.scaling.yarn_beta_slow", "beta_slow"}})
      if (const auto beta = scaling[field].optional_number(0, 1e30)) put(name, *beta);
    const auto all_dim = scaling["mscale_all_dim"].optional_number(0, 1e3);
    if (scaling["mscale"].optional_number(0, 1e3) != all_dim)
      scaling["mscale"].fail("differs from mscale_all_dim, and has no key in GGUF");
    if (all_dim) put("rope.scaling.yarn_log_multiplier", *all_dim / 10);
    if (scaling["attn_factor"].optional_number(0, 1e3).value_or(1) != 1)
      scaling["attn_factor"].fail("must be 1: it has no key in GGUF that is read");
  }

  void tokens() {
    const std::int64_t vocabulary = config_["vocab_size"].integer(1, limits::vocab_size);
    if (const auto bos = config_["bos_token_id"].optional_integer(0, vocabulary - 1))
      keys_.u32("tokenizer.ggml.bos_token_id", std::uint32_t(*bos));
    constexpr std::array names{"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                               "tokenizer.ggml.eom_token_id"};
    const std::vector<TokenId> ends = read_token_ids(config_["eos_token_id"], vocabulary);
    if (ends.size() > names.size()) config_["eos_token_id"].fail("has more tokens than GGUF has keys for");
    for (std::size_t i = 0; i < ends.size(); ++i) keys_.u32(names[i], std::uint32_t(ends[i]));
  }

  JsonValue config_;
  std::string prefix_;
  GgufKeys keys_;
};

}  // namespace

GgufKeys gguf_keys(const nlohmann::json& config, std::string_view name, std::string_view where) {
  return KeyWriter(config, where).run(name);
}

}  // namespace troupe::model
