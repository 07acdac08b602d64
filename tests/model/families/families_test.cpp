// Each family's config.json as it is published, and what is refused of it.
#include "model/families/families.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "model/checkpoint/expected_tensors.hpp"
#include "tests/error_of.hpp"

namespace troupe::model {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::IsEmpty;

json with(json config, const json& changes) {
  config.merge_patch(changes);
  return config;
}

std::string fault(const json& config) {
  return error_of([&] { parse_config(config, "c.json"); });
}

// DeepSeek-R1-Distill-Qwen-7B.
const json qwen2 = json::parse(R"({
  "architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 151643,
  "eos_token_id": 151643, "hidden_act": "silu", "hidden_size": 3584, "initializer_range": 0.02,
  "intermediate_size": 18944, "max_position_embeddings": 131072, "max_window_layers": 28,
  "model_type": "qwen2", "num_attention_heads": 28, "num_hidden_layers": 28, "num_key_value_heads": 4,
  "rms_norm_eps": 1e-06, "rope_theta": 10000, "sliding_window": 4096, "tie_word_embeddings": false,
  "torch_dtype": "bfloat16", "transformers_version": "4.44.0", "use_cache": true, "use_mrope": false,
  "use_sliding_window": false, "vocab_size": 152064})");

// DeepSeek-R1-Distill-Llama-8B.
const json llama = json::parse(R"({
  "architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
  "bos_token_id": 128000, "eos_token_id": 128001, "hidden_act": "silu", "hidden_size": 4096,
  "initializer_range": 0.02, "intermediate_size": 14336, "max_position_embeddings": 131072,
  "mlp_bias": false, "model_type": "llama", "num_attention_heads": 32, "num_hidden_layers": 32,
  "num_key_value_heads": 8, "pretraining_tp": 1, "rms_norm_eps": 1e-05,
  "rope_scaling": {"factor": 8.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
                   "original_max_position_embeddings": 8192, "rope_type": "llama3"},
  "rope_theta": 500000.0, "tie_word_embeddings": false, "torch_dtype": "bfloat16",
  "transformers_version": "4.43.0.dev0", "use_cache": true, "vocab_size": 128256})");

// DeepSeek-R1-0528-Qwen3-8B.
const json qwen3 = json::parse(R"({
  "architectures": ["Qwen3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
  "bos_token_id": 151643, "eos_token_id": 151645, "head_dim": 128, "hidden_act": "silu",
  "hidden_size": 4096, "initializer_range": 0.02, "intermediate_size": 12288,
  "max_position_embeddings": 131072, "max_window_layers": 36, "model_type": "qwen3",
  "num_attention_heads": 32, "num_hidden_layers": 36, "num_key_value_heads": 8, "rms_norm_eps": 1e-06,
  "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768,
                   "attn_factor": 0.8782488562869419},
  "rope_theta": 1000000, "sliding_window": null, "tie_word_embeddings": false, "torch_dtype": "bfloat16",
  "transformers_version": "4.51.0", "use_cache": true, "use_sliding_window": false, "vocab_size": 151936})");

// DeepSeek-V2-Lite-Chat.
const json v2_lite = json::parse(R"({
  "architectures": ["DeepseekV2ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
  "auto_map": {}, "aux_loss_alpha": 0.001, "bos_token_id": 100000, "eos_token_id": 100001,
  "first_k_dense_replace": 1, "hidden_act": "silu", "hidden_size": 2048, "initializer_range": 0.02,
  "intermediate_size": 10944, "kv_lora_rank": 512, "max_position_embeddings": 163840,
  "model_type": "deepseek_v2", "moe_intermediate_size": 1408, "moe_layer_freq": 1, "n_group": 1,
  "n_routed_experts": 64, "n_shared_experts": 2, "norm_topk_prob": false, "num_attention_heads": 16,
  "num_experts_per_tok": 6, "num_hidden_layers": 27, "num_key_value_heads": 16, "pretraining_tp": 1,
  "q_lora_rank": null, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "rms_norm_eps": 1e-06,
  "rope_scaling": {"beta_fast": 32, "beta_slow": 1, "factor": 40, "mscale": 0.707,
                   "mscale_all_dim": 0.707, "original_max_position_embeddings": 4096, "type": "yarn"},
  "rope_theta": 10000, "routed_scaling_factor": 1.0, "scoring_func": "softmax", "seq_aux": true,
  "tie_word_embeddings": false, "topk_group": 1, "topk_method": "greedy", "torch_dtype": "bfloat16",
  "transformers_version": "4.33.1", "use_cache": true, "v_head_dim": 128, "vocab_size": 102400})");

// Kimi-K2-Instruct.
const json kimi_k2 = json::parse(R"({
  "architectures": ["DeepseekV3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
  "auto_map": {}, "aux_loss_alpha": 0.001, "bos_token_id": 163584, "eos_token_id": 163585, "ep_size": 1,
  "first_k_dense_replace": 1, "hidden_act": "silu", "hidden_size": 7168, "initializer_range": 0.02,
  "intermediate_size": 18432, "kv_lora_rank": 512, "max_position_embeddings": 131072,
  "model_type": "kimi_k2", "moe_intermediate_size": 2048, "moe_layer_freq": 1, "n_group": 1,
  "n_routed_experts": 384, "n_shared_experts": 1, "norm_topk_prob": true, "num_attention_heads": 64,
  "num_experts_per_tok": 8, "num_hidden_layers": 61, "num_key_value_heads": 64,
  "num_nextn_predict_layers": 0, "pretraining_tp": 1, "q_lora_rank": 1536, "qk_nope_head_dim": 128,
  "qk_rope_head_dim": 64,
  "quantization_config": {"activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8",
                          "weight_block_size": [128, 128]},
  "rms_norm_eps": 1e-06,
  "rope_scaling": {"beta_fast": 1.0, "beta_slow": 1.0, "factor": 32.0, "mscale": 1.0,
                   "mscale_all_dim": 1.0, "original_max_position_embeddings": 4096, "type": "yarn"},
  "rope_theta": 50000.0, "routed_scaling_factor": 2.827, "scoring_func": "sigmoid", "seq_aux": true,
  "tie_word_embeddings": false, "topk_group": 1, "topk_method": "noaux_tc", "torch_dtype": "bfloat16",
  "transformers_version": "4.48.3", "use_cache": true, "v_head_dim": 128, "vocab_size": 163840})");

// Moonlight-16B-A3B-Instruct.
const json moonlight = with(kimi_k2, json::parse(R"({
  "model_type": "deepseek_v3", "hidden_size": 2048, "intermediate_size": 11264,
  "max_position_embeddings": 8192, "moe_intermediate_size": 1408, "n_routed_experts": 64,
  "n_shared_experts": 2, "num_attention_heads": 16, "num_experts_per_tok": 6, "num_hidden_layers": 27,
  "num_key_value_heads": 16, "q_lora_rank": null, "quantization_config": null, "rms_norm_eps": 1e-05,
  "rope_scaling": null, "routed_scaling_factor": 2.446})"));

// DeepSeek-V3.2-Exp.
const json v32 = with(kimi_k2, json::parse(R"({
  "architectures": ["DeepseekV32ForCausalLM"], "model_type": "deepseek_v32", "bos_token_id": 0,
  "eos_token_id": 1, "first_k_dense_replace": 3, "index_head_dim": 128, "index_n_heads": 64,
  "index_topk": 2048, "max_position_embeddings": 163840, "n_group": 8, "n_routed_experts": 256,
  "num_attention_heads": 128, "num_key_value_heads": 128, "num_nextn_predict_layers": 1,
  "quantization_config": {"scale_fmt": "ue8m0"}, "rope_scaling": {"beta_fast": 32, "factor": 40},
  "rope_theta": 10000, "routed_scaling_factor": 2.5, "topk_group": 4, "vocab_size": 129280})"));

TEST(Families, ReadTheirPublishedConfigs) {
  for (const json& config : {qwen2, llama, qwen3, v2_lite, kimi_k2, moonlight, v32}) {
    const ModelConfig read = parse_config(config, "c.json");
    EXPECT_EQ(read.architecture, config["architectures"][0]);
    EXPECT_THAT(read.unknown_fields, IsEmpty()) << read.architecture;
    EXPECT_FALSE(expected_tensors(read).empty());
  }
}

TEST(Families, Qwen2HasBiases) {
  const ModelConfig config = parse_config(qwen2, "c.json");
  EXPECT_EQ(config.grouped().head_dim, 128);
  EXPECT_EQ(config.grouped().num_key_value_heads, 4);
  EXPECT_TRUE(config.grouped().biases);
  EXPECT_FALSE(config.grouped().head_norms);
  EXPECT_EQ(config.n_routed_experts, 0);
  EXPECT_EQ(cache_bytes_per_token(config, {}), 28u * 2 * 4 * 128 * 4);
  EXPECT_EQ(cache_bytes_per_token(config, {.tensor_parallel = 2}), 28u * 2 * 2 * 128 * 4);
  EXPECT_EQ(cache_bytes_per_token(config, {}, false, kernels::CacheType::fp8), 28u * 2 * 4 * (128 + 4));
}

TEST(Families, LlamaScalesItsRotation) {
  const ModelConfig config = parse_config(llama, "c.json");
  EXPECT_FALSE(config.grouped().biases);
  ASSERT_TRUE(config.llama3);
  EXPECT_EQ(config.llama3->factor, 8);
  EXPECT_EQ(config.llama3->original_max_position_embeddings, 8192);
  EXPECT_FALSE(config.yarn);
}

TEST(Families, Qwen3NormsHeads) {
  const ModelConfig config = parse_config(qwen3, "c.json");
  EXPECT_TRUE(config.grouped().head_norms);
  ASSERT_TRUE(config.yarn);
  EXPECT_EQ(config.yarn->attn_factor, 0.8782488562869419);
}

TEST(Families, DeepseekV2RoutesBySoftmax) {
  const ModelConfig config = parse_config(v2_lite, "c.json");
  EXPECT_EQ(config.scoring_func, kernels::Scoring::softmax);
  EXPECT_FALSE(config.routing_bias);
  EXPECT_FALSE(config.norm_topk_prob);
  EXPECT_EQ(config.n_group, 1);
  EXPECT_EQ(parse_config(with(v2_lite, {{"n_group", 8}}), "c").n_group, 1) << "greedy";
  const json v2 = with(v2_lite, {{"topk_method", "group_limited_greedy"}, {"n_group", 8}, {"topk_group", 3}});
  EXPECT_EQ(parse_config(v2, "c").n_group, 8);
  EXPECT_EQ(parse_config(v2, "c").topk_group, 3);
}

TEST(Families, KimiAndMoonlightAreDeepseekV3) {
  EXPECT_EQ(architecture_of(parse_config(kimi_k2, "c")).load, families::deepseek_v3.load);
  EXPECT_EQ(parse_config(kimi_k2, "c").n_routed_experts, 384);
  EXPECT_EQ(parse_config(moonlight, "c").latent().q_lora_rank, 0);
  EXPECT_EQ(fault(with(kimi_k2, {{"architectures", {"KimiK2ForCausalLM"}}})), "no error");
}

TEST(Families, DeepseekV32HasAnIndex) {
  const ModelConfig config = parse_config(v32, "c");
  ASSERT_TRUE(config.latent().indexer);
  EXPECT_EQ(config.latent().indexer->index_topk, 2048);
  EXPECT_EQ(cache_bytes_per_token(config, {.tensor_parallel = 8}), 61u * (576 + 128) * 4);
  // As DeepSeek's own inference has it: 656 bytes, and 132 of the index.
  EXPECT_EQ(cache_bytes_per_token(config, {.tensor_parallel = 8}, false, kernels::CacheType::fp8),
            61u * (656 + 132));
  EXPECT_FALSE(parse_config(kimi_k2, "c").latent().indexer);
  EXPECT_THAT(fault(with(v32, {{"index_topk", nullptr}})), HasSubstr("index_topk is missing"));
  EXPECT_THAT(fault(with(v32, {{"index_topk", limits::index_topk + 1}})), HasSubstr("index_topk is 65537"));
  EXPECT_THAT(fault(with(v32, {{"index_n_heads", limits::heads + 1}})), HasSubstr("index_n_heads is 1025"));
  EXPECT_THAT(fault(with(v32, {{"index_head_dim", 63}})), HasSubstr("index_head_dim is 63"));
  EXPECT_THAT(fault(with(v32, {{"q_lora_rank", nullptr}})),
              HasSubstr("q_lora_rank is missing, which the indexer"));
  EXPECT_EQ(fault(with(v32, {{"layer_types", {"deepseek_sparse_attention"}}})), "no error");
}

TEST(Families, RefuseWhatTheyDoNotCompute) {
  EXPECT_THAT(
      fault(with(qwen2, {{"architectures", {"GemmaForCausalLM"}}})),
      HasSubstr("c.json: architectures must be one of those that are supported: DeepseekV2ForCausalLM,"));
  EXPECT_THAT(fault(with(qwen2, {{"model_type", "qwen3"}})),
              HasSubstr("model_type is \"qwen3\", which is no Qwen2ForCausalLM"));
  EXPECT_THAT(fault(with(qwen2, {{"use_sliding_window", true}, {"max_window_layers", 27}})),
              HasSubstr("use_sliding_window is true"));
  EXPECT_THAT(fault(with(llama, {{"attention_bias", true}})), HasSubstr("attention_bias is true"));
  EXPECT_THAT(fault(with(llama, {{"mlp_bias", true}})), HasSubstr("mlp_bias is true"));
  EXPECT_THAT(fault(with(qwen3, {{"attention_bias", true}})), HasSubstr("attention_bias is true"));
  EXPECT_THAT(fault(with(v2_lite, {{"norm_topk_prob", true}})), HasSubstr("norm_topk_prob is true"));
  EXPECT_THAT(fault(with(v2_lite, {{"scoring_func", "sigmoid"}})), HasSubstr("scoring_func is \"sigmoid\""));
  EXPECT_THAT(fault(with(v2_lite, {{"topk_method", "noaux_tc"}})), HasSubstr("topk_method is \"noaux_tc\""));
  EXPECT_THAT(fault(with(v2_lite, {{"num_experts_per_tok", 65}})), HasSubstr("num_experts_per_tok is 65"));
}

TEST(Families, HeadsHaveTheirLimits) {
  EXPECT_THAT(fault(with(qwen2, {{"num_key_value_heads", 3}})),
              HasSubstr("num_key_value_heads must divide num_attention_heads, 28"));
  EXPECT_THAT(fault(with(qwen2, {{"hidden_size", 3585}})), HasSubstr("head_dim is missing, and"));
  EXPECT_THAT(fault(with(qwen2, {{"num_attention_heads", 1}, {"num_key_value_heads", 1}})),
              HasSubstr("head_dim must be even and at most 512; it is 3584"));
  EXPECT_THAT(fault(with(qwen3, {{"head_dim", 127}})), HasSubstr("head_dim must be even"));
  EXPECT_THAT(fault(with(qwen3, {{"head_dim", 514}})), HasSubstr("head_dim is 514"));
  EXPECT_EQ(fault(with(qwen3, {{"head_dim", 512}})), "no error");
  EXPECT_THAT(fault(with(qwen3, {{"num_key_value_heads", 1025}})), HasSubstr("num_key_value_heads is 1025"));
}

TEST(Families, Llama3sScalingIsChecked) {
  const auto scaled = [](const json& changes) { return fault(with(llama, {{"rope_scaling", changes}})); };
  EXPECT_THAT(scaled({{"high_freq_factor", 1}}),
              HasSubstr("high_freq_factor must be more than low_freq_factor"));
  EXPECT_THAT(scaled({{"low_freq_factor", nullptr}}), HasSubstr("low_freq_factor is missing"));
  EXPECT_THAT(scaled({{"factor", 0.5}}), HasSubstr("factor is 0.5"));
  EXPECT_THAT(scaled({{"beta_fast", 32}}), HasSubstr("beta_fast is not supported"));
}

// Ranks of a group split the heads that have keys and values; no rank repeats another's.
TEST(Families, GroupedHeadsAreSplitEvenlyOrNotAtAll) {
  const auto refusal = [](const json& config, int ranks) -> std::string {
    const auto possible = check_plan(parse_config(config, "c"), {.tensor_parallel = ranks});
    return possible ? "" : possible.error().message;
  };
  EXPECT_EQ(refusal(qwen2, 4), "");
  EXPECT_EQ(refusal(qwen2, 8), "28 attention heads cannot be split evenly over 8 ranks");
  EXPECT_EQ(refusal(llama, 8), "");
  EXPECT_EQ(refusal(llama, 16), "8 heads with keys and values cannot be split evenly over 16 ranks");
  const json nine =
      with(llama, {{"hidden_size", 576}, {"num_attention_heads", 9}, {"num_key_value_heads", 3}});
  EXPECT_EQ(refusal(nine, 3), "3 tensor-parallel ranks: must be a power of two");
  EXPECT_EQ(refusal(nine, 2), "9 attention heads cannot be split evenly over 2 ranks");
}

}  // namespace
}  // namespace troupe::model
