#include "model/gguf/gguf_config.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <numbers>

#include "model/config.hpp"
#include "model/gguf/gguf_writer.hpp"
#include "tests/model/checkpoint/checkpoint_folder.hpp"

namespace troupe::model {
namespace {

using kernels::DType;
using nlohmann::json;
using testing::HasSubstr;

// Keys of a small Llama, Qwen2 or Qwen3.
GgufKeys grouped_keys(const std::string& architecture) {
  GgufKeys keys;
  const auto key = [&](const char* name) { return architecture + "." + name; };
  keys.text("general.architecture", architecture);
  keys.u32(key("context_length"), 512);
  keys.u32(key("embedding_length"), 64);
  keys.u32(key("block_count"), 2);
  keys.u32(key("feed_forward_length"), 96);
  keys.u32(key("attention.head_count"), 4);
  keys.u32(key("attention.head_count_kv"), 2);
  keys.f32(key("attention.layer_norm_rms_epsilon"), 1e-5f);
  keys.f32(key("rope.freq_base"), 500000);
  keys.u32("tokenizer.ggml.bos_token_id", 1);
  keys.u32("tokenizer.ggml.eos_token_id", 2);
  return keys;
}

GgufKeys latent_keys() {
  GgufKeys keys;
  keys.text("general.architecture", "deepseek2");
  for (const auto& [name, value] :
       {std::pair{"context_length", 512}, std::pair{"embedding_length", 64}, std::pair{"block_count", 2},
        std::pair{"feed_forward_length", 96}, std::pair{"attention.head_count", 4},
        std::pair{"attention.kv_lora_rank", 32}, std::pair{"rope.dimension_count", 8},
        std::pair{"leading_dense_block_count", 1}, std::pair{"expert_count", 8},
        std::pair{"expert_used_count", 2}, std::pair{"expert_shared_count", 1},
        std::pair{"expert_feed_forward_length", 32}})
    keys.u32(std::string("deepseek2.") + name, std::uint32_t(value));
  keys.f32("deepseek2.attention.layer_norm_rms_epsilon", 1e-6f);
  return keys;
}

class GgufConfig : public testing::Test {
 protected:
  struct Tensor {
    std::string name;
    std::vector<float> values;
  };
  json config(const GgufKeys& keys, const std::vector<Tensor>& further = {}) {
    std::vector<TensorHeader> headers{{"token_embd.weight", DType::f32, {100, 1}}};
    for (const Tensor& tensor : further)
      headers.push_back({tensor.name, DType::f32, {std::int64_t(tensor.values.size())}});
    const auto path = folder_.path() / "m.gguf";
    GgufWriter writer(path, keys, headers);
    writer.append(std::vector<std::byte>(400));
    for (const Tensor& tensor : further) writer.append(std::as_bytes(std::span(tensor.values)));
    writer.finish();
    return gguf_config(open_gguf(path));
  }
  std::string refusal(const GgufKeys& keys, const std::vector<Tensor>& further = {}) {
    return error_of([&] { config(keys, further); });
  }
  TemporaryFolder folder_;
};

TEST_F(GgufConfig, OfLlamaAndQwenIsWhatTheirPublishersSay) {
  for (const auto& [architecture, published, type] :
       {std::tuple{"llama", "LlamaForCausalLM", "llama"}, std::tuple{"qwen2", "Qwen2ForCausalLM", "qwen2"},
        std::tuple{"qwen3", "Qwen3ForCausalLM", "qwen3"}}) {
    const json told = config(grouped_keys(architecture));
    EXPECT_EQ(told, json({{"architectures", {published}},
                          {"model_type", type},
                          {"hidden_act", "silu"},
                          {"vocab_size", 100},
                          {"hidden_size", 64},
                          {"num_hidden_layers", 2},
                          {"intermediate_size", 96},
                          {"max_position_embeddings", 512},
                          {"num_attention_heads", 4},
                          {"num_key_value_heads", 2},
                          {"head_dim", 16},
                          {"rms_norm_eps", 1e-5},
                          {"rope_theta", 500000.0},
                          {"tie_word_embeddings", true},
                          {"bos_token_id", 1},
                          {"eos_token_id", {2}}}));
    EXPECT_EQ(parse_config(told, "told").architecture, published);
  }
}

TEST_F(GgufConfig, AHeadOfItsOwnIsNotTied) {
  EXPECT_EQ(config(grouped_keys("llama"), {{"output.weight", {1}}})["tie_word_embeddings"], false);
}

TEST_F(GgufConfig, Llama3sScalingIsFoundInItsFactors) {
  std::vector<float> factors;
  for (int pair = 0; pair < 8; ++pair) {
    const double wavelength = 2 * std::numbers::pi * std::pow(500000.0, 2.0 * pair / 16);
    const double smooth = (8192 / wavelength - 1) / 3;
    factors.push_back(float(wavelength < 2048 ? 1 : wavelength > 8192 ? 8 : 1 / ((1 - smooth) / 8 + smooth)));
  }
  EXPECT_EQ(config(grouped_keys("llama"), {{"rope_freqs.weight", factors}})["rope_scaling"],
            json({{"rope_type", "llama3"},
                  {"factor", 8.0},
                  {"low_freq_factor", 1.0},
                  {"high_freq_factor", 4.0},
                  {"original_max_position_embeddings", 8192}}));
  factors[4] *= 1.01f;
  EXPECT_THAT(refusal(grouped_keys("llama"), {{"rope_freqs.weight", factors}}),
              HasSubstr("rope_freqs.weight: is not what"));
  EXPECT_THAT(refusal(grouped_keys("llama"), {{"rope_freqs.weight", {1, 2}}}),
              HasSubstr("rope_freqs.weight: is not one"));
  GgufKeys large = grouped_keys("llama");  // nothing of that size is made
  large.u32("llama.attention.key_length", UINT32_MAX);
  EXPECT_THAT(refusal(large, {{"rope_freqs.weight", factors}}), HasSubstr("rope_freqs.weight: is not one"));
}

TEST_F(GgufConfig, OfDeepSeekHasOneOfTwoFormsOfAttention) {
  GgufKeys old = latent_keys(), absorbed = latent_keys();
  old.u32("deepseek2.attention.key_length", 24);
  old.u32("deepseek2.attention.value_length", 16);
  absorbed.u32("deepseek2.attention.key_length", 40);
  absorbed.u32("deepseek2.attention.value_length", 32);
  absorbed.u32("deepseek2.attention.key_length_mla", 24);
  absorbed.u32("deepseek2.attention.value_length_mla", 16);
  absorbed.u32("deepseek2.attention.head_count_kv", 1);
  for (const GgufKeys& keys : {old, absorbed}) {
    const json told = config(keys);
    EXPECT_EQ(told["architectures"], json::array({"DeepseekV2ForCausalLM"}));
    EXPECT_EQ(told["qk_nope_head_dim"], 16);
    EXPECT_EQ(told["qk_rope_head_dim"], 8);
    EXPECT_EQ(told["v_head_dim"], 16);
    EXPECT_EQ(told["topk_method"], "greedy");
    EXPECT_EQ(parse_config(told, "told").n_routed_experts, 8);
  }
  EXPECT_EQ(config(absorbed, {{"blk.0.attn_k_b.weight", {1}}})["split_kv_b_proj"], true);
  old.u32("deepseek2.expert_gating_func", 2);
  old.boolean("deepseek2.expert_weights_norm", true);
  old.f32("deepseek2.expert_weights_scale", 2.5f);
  old.u32("deepseek2.expert_group_count", 4);
  old.u32("deepseek2.expert_group_used_count", 2);
  const ModelConfig v3 = parse_config(config(old), "told");
  EXPECT_EQ(v3.architecture, "DeepseekV3ForCausalLM");
  EXPECT_EQ(v3.n_group, 4);
  EXPECT_EQ(v3.routed_scaling_factor, 2.5);
}

// Their number has no default that is right: V3's files of old do not say it.
TEST_F(GgufConfig, GroupsOf256ExpertsMustBeSaid) {
  GgufKeys keys = latent_keys();
  keys.u32("deepseek2.attention.key_length", 24);
  keys.u32("deepseek2.attention.value_length", 16);
  keys.u32("deepseek2.expert_gating_func", 2);
  EXPECT_EQ(config(keys)["n_group"], 1);
  GgufKeys v3;
  for (const auto& [name, value] :
       {std::pair{"context_length", 512}, std::pair{"embedding_length", 64}, std::pair{"block_count", 2},
        std::pair{"feed_forward_length", 96}, std::pair{"attention.head_count", 4},
        std::pair{"attention.kv_lora_rank", 32}, std::pair{"rope.dimension_count", 8},
        std::pair{"attention.key_length", 24}, std::pair{"attention.value_length", 16},
        std::pair{"expert_count", 256}, std::pair{"expert_used_count", 8},
        std::pair{"expert_feed_forward_length", 32}, std::pair{"expert_gating_func", 2}})
    v3.u32(std::string("deepseek2.") + name, std::uint32_t(value));
  v3.text("general.architecture", "deepseek2");
  v3.f32("deepseek2.attention.layer_norm_rms_epsilon", 1e-6f);
  EXPECT_THAT(refusal(v3), HasSubstr("deepseek2.expert_count: is 256, and there is no expert_group_count"));
  v3.u32("deepseek2.expert_group_count", 8);
  EXPECT_EQ(config(v3)["n_group"], 8);
}

TEST_F(GgufConfig, TheEpsilonMustBeSaid) {
  GgufKeys keys;
  keys.text("general.architecture", "llama");
  for (const char* name :
       {"context_length", "embedding_length", "block_count", "feed_forward_length", "attention.head_count"})
    keys.u32(std::string("llama.") + name, 2);
  EXPECT_THAT(refusal(keys), HasSubstr("llama.attention.layer_norm_rms_epsilon: is missing"));
}

TEST_F(GgufConfig, YarnIsThatOfDeepSeek) {
  GgufKeys keys = latent_keys();
  keys.u32("deepseek2.attention.key_length", 24);
  keys.u32("deepseek2.attention.value_length", 16);
  keys.text("deepseek2.rope.scaling.type", "yarn");
  keys.f32("deepseek2.rope.scaling.factor", 40);
  keys.u32("deepseek2.rope.scaling.original_context_length", 4096);
  keys.f32("deepseek2.rope.scaling.yarn_log_multiplier", 0.0707f);
  EXPECT_EQ(config(keys)["rope_scaling"], json({{"type", "yarn"},
                                                {"factor", 40.0},
                                                {"original_max_position_embeddings", 4096},
                                                {"mscale", 0.707},
                                                {"mscale_all_dim", 0.707}}));
}

TEST_F(GgufConfig, WhatConfigJsonCannotSayIsRefusedByKey) {
  const auto with = [&](auto change) {
    GgufKeys keys = grouped_keys("llama");
    change(keys);
    return refusal(keys);
  };
  EXPECT_THAT(with([](GgufKeys& k) { k.u32("llama.attention.value_length", 8); }),
              HasSubstr("llama.attention.value_length: differs"));
  EXPECT_THAT(with([](GgufKeys& k) { k.u32("llama.rope.dimension_count", 8); }),
              HasSubstr("llama.rope.dimension_count: is not the size of a head, 16"));
  EXPECT_THAT(with([](GgufKeys& k) { k.text("llama.rope.scaling.type", "linear"); }),
              HasSubstr("is \"linear\""));
  EXPECT_THAT(with([](GgufKeys& k) { k.u32("llama.expert_count", 8); }),
              HasSubstr("llama.expert_count: must be 0"));
  for (const char* name : {"attention.sliding_window", "attention.scale", "attention.clamp_kqv",
                           "attention.max_alibi_bias", "attn_logit_softcapping", "final_logit_softcapping",
                           "logit_scale", "residual_scale", "embedding_scale"}) {
    const std::string key = std::string("llama.") + name;
    EXPECT_EQ(with([&](GgufKeys& k) { k.f32(key, 0); }), "no error");
    EXPECT_THAT(with([&](GgufKeys& k) { k.f32(key, 0.5f); }), HasSubstr(key + ": is not supported"));
  }
  EXPECT_EQ(with([](GgufKeys& k) { k.f32("llama.logit_scale", 1); }), "no error");
  EXPECT_EQ(with([](GgufKeys& k) { k.f32("llama.rope.scaling.factor", 1); }), "no error");
  EXPECT_THAT(with([](GgufKeys& k) { k.f32("llama.rope.scaling.factor", 4); }),
              HasSubstr("llama.rope.scaling.factor: must be 1 without"));
  EXPECT_THAT(refusal(GgufKeys()), HasSubstr("general.architecture: is missing"));
  GgufKeys other;
  other.text("general.architecture", "gemma2");
  EXPECT_THAT(refusal(other),
              HasSubstr("general.architecture: is none of those that are supported: llama, qwen2"));
  GgufKeys empty;
  empty.text("general.architecture", "llama");
  EXPECT_THAT(refusal(empty), HasSubstr("llama.embedding_length: is missing"));
}

}  // namespace
}  // namespace troupe::model
