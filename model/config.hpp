// config.json of a checkpoint, checked: what the families of models share, and which form each part has. Field names
// are upstream's.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "kernels/ops.hpp"
#include "model/quantisation.hpp"
#include "runtime/base/ids.hpp"

namespace troupe::model {

// Rotary scaling by YaRN (Peng et al. 2023), as DeepSeek sets it.
struct Yarn {
  double factor = 1;
  std::int64_t original_max_position_embeddings = 0;
  double beta_fast = 32, beta_slow = 1;
  double mscale = 1, mscale_all_dim = 0;
  double attn_factor =
      1;  // of the amplitude, beside mscale, as vLLM and SGLang read it; transformers passes it over
};

// Rotary scaling of Llama 3.1 and later: slow pairs are stretched by the factor, fast ones are not.
struct Llama3Rope {
  double factor = 1;
  double low_freq_factor = 1, high_freq_factor = 4;  // turns over the original context
  std::int64_t original_max_position_embeddings = 0;
};

// Which elements of a matrix share a scale: blocks of so many rows and columns, such as weight_block_size.
struct Fp8Blocks {
  std::int64_t rows = 128, cols = 128;
};

// Keys and values of all heads from one latent vector a token (DeepSeek-V2, section 2.1).
struct LatentAttentionConfig {
  std::int64_t q_lora_rank = 0;  // 0: none, queries are projected directly
  std::int64_t kv_lora_rank = 0, qk_nope_head_dim = 0, qk_rope_head_dim = 0, v_head_dim = 0;
  // Not published so, but by GGUF files: instead of kv_b_proj k_b_proj [heads * kv_lora_rank, qk_nope_head_dim], each head
  // turned around, and v_b_proj [heads * v_head_dim, kv_lora_rank].
  bool split_kv_b_proj = false;
  // The lightning indexer, which picks the positions that a token attends to (DeepSeek-V3.2-Exp, section 2.1).
  struct Indexer {
    std::int64_t index_n_heads = 0, index_head_dim = 0, index_topk = 0;
  };
  std::optional<Indexer> indexer{};
};

// A key and a value for each group of query heads (Ainslie et al. 2023, "GQA").
struct GroupedAttentionConfig {
  std::int64_t num_key_value_heads = 0;
  std::int64_t head_dim = 0;
  bool biases = false;      // of the projections of queries, keys and values
  bool head_norms = false;  // of each head's query and key, before they are turned
};

struct ModelConfig {
  std::string architecture;  // "DeepseekV3ForCausalLM"
  std::int64_t vocab_size = 0, hidden_size = 0, num_hidden_layers = 0;
  std::int64_t num_attention_heads = 0;
  std::variant<LatentAttentionConfig, GroupedAttentionConfig> attention;
  std::int64_t intermediate_size = 0;
  // Layers of experts; without routed experts the rest has no meaning.
  std::int64_t n_routed_experts = 0, n_shared_experts = 0, num_experts_per_tok = 0, n_group = 1,
               topk_group = 1;
  std::int64_t first_k_dense_replace = 0, moe_layer_freq = 1;
  kernels::Scoring scoring_func = kernels::Scoring::sigmoid;
  bool routing_bias = true;  // topk_method noaux_tc
  bool norm_topk_prob = true;
  double routed_scaling_factor = 1;
  std::int64_t moe_intermediate_size = 0;
  std::int64_t num_nextn_predict_layers = 0;
  std::int64_t max_position_embeddings = 0;
  double rope_theta = 10000;
  std::optional<Yarn> yarn;
  std::optional<Llama3Rope> llama3;
  double rms_norm_eps = 1e-6;
  bool tie_word_embeddings = false;
  std::vector<TokenId> eos_token_ids;
  TokenId bos_token_id = 0;
  std::optional<Fp8Blocks> fp8;              // DeepSeek's, with scales named weight_scale_inv
  std::optional<Quantisation> quantisation;  // any other
  std::vector<std::string> unknown_fields;   // set, and taken to change nothing

  // Of a model whose attention has that form.
  const LatentAttentionConfig& latent() const { return std::get<LatentAttentionConfig>(attention); }
  const GroupedAttentionConfig& grouped() const { return std::get<GroupedAttentionConfig>(attention); }

  bool has_latent() const { return std::holds_alternative<LatentAttentionConfig>(attention); }
  // Elements of a head's query, and of those the ones that are turned by position.
  std::int64_t query_dim() const {
    return has_latent() ? latent().qk_nope_head_dim + latent().qk_rope_head_dim : grouped().head_dim;
  }
  std::int64_t rope_dim() const { return has_latent() ? latent().qk_rope_head_dim : grouped().head_dim; }

  bool is_moe(std::int64_t layer) const {
    return n_routed_experts > 0 && layer >= first_k_dense_replace && layer % moe_layer_freq == 0;
  }
};

// The largest values that are accepted; with these no product of sizes can overflow.
namespace limits {
constexpr std::size_t config_bytes = std::size_t(1) << 20;
constexpr std::int64_t vocab_size = std::int64_t(1) << 22;
constexpr std::int64_t hidden_size = 1 << 16;        // also of the ranks of latents
constexpr std::int64_t intermediate_size = 1 << 20;  // also moe_intermediate_size * n_shared_experts
constexpr std::int64_t layers = 1024;
constexpr std::int64_t heads = 1024;
constexpr std::int64_t head_dim = 1024;
constexpr std::int64_t rotary_dim = 512;  // of a head; on a GPU each pair is a thread of one block
constexpr std::int64_t index_topk = 1 << 16;
constexpr std::int64_t routed_experts = 4096;
constexpr std::int64_t shared_experts = 64;
constexpr std::int64_t experts_of_all_layers = 1 << 18;
constexpr std::int64_t experts_per_token = 64;
constexpr std::int64_t nextn_layers = 16;
constexpr std::int64_t positions = std::int64_t(1) << 24;
constexpr std::int64_t weight_block = 1 << 14;
}  // namespace limits

// Throws Error that names file and field: one that changes the arithmetic in a way
// that is not known here, a value out of range, an architecture that is not supported.
// torch_dtype and activation_scheme are ignored: they describe the publisher's GPUs.
ModelConfig parse_config(const nlohmann::json& json, std::string_view where);
ModelConfig load_config(const std::filesystem::path& config_json);

}  // namespace troupe::model
