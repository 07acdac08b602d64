// What tests of checkpoints share: a folder that goes away with the test, and a small config.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "runtime/base/error.hpp"
#include "tests/error_of.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::model {

inline std::string read_file(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// One dense and two expert layers, one multi-token-prediction layer.
inline nlohmann::json small_config() {
  return nlohmann::json::parse(R"({
    "architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3",
    "vocab_size": 96, "hidden_size": 48, "num_hidden_layers": 3, "num_nextn_predict_layers": 1,
    "first_k_dense_replace": 1, "moe_layer_freq": 1, "num_attention_heads": 4, "num_key_value_heads": 4,
    "q_lora_rank": 24, "kv_lora_rank": 16, "qk_nope_head_dim": 8, "qk_rope_head_dim": 4, "v_head_dim": 8,
    "n_routed_experts": 8, "n_shared_experts": 2, "num_experts_per_tok": 3, "n_group": 4, "topk_group": 2,
    "topk_method": "noaux_tc", "scoring_func": "sigmoid", "norm_topk_prob": true, "routed_scaling_factor": 2.5,
    "moe_intermediate_size": 16, "intermediate_size": 40, "hidden_act": "silu",
    "max_position_embeddings": 512, "rope_theta": 10000, "rope_scaling": null, "rms_norm_eps": 1e-06,
    "attention_bias": false, "tie_word_embeddings": false, "bos_token_id": 0, "eos_token_id": 1})");
}

// Three layers with keys and values; the rest of a family's config is its own.
inline nlohmann::json small_dense_config(const char* architecture, const char* model_type) {
  nlohmann::json config = nlohmann::json::parse(R"({
    "vocab_size": 96, "hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 8,
    "num_key_value_heads": 4, "intermediate_size": 40, "hidden_act": "silu", "max_position_embeddings": 512,
    "rope_theta": 10000, "rms_norm_eps": 1e-06, "tie_word_embeddings": false, "bos_token_id": 0,
    "eos_token_id": 1})");
  config["architectures"] = {architecture};
  config["model_type"] = model_type;
  return config;
}

}  // namespace troupe::model
