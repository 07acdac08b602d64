#include "model/config.hpp"

#include <gmock/gmock.h>

#include "tests/model/checkpoint/checkpoint_folder.hpp"

namespace troupe::model {
namespace {

using nlohmann::json;
using testing::HasSubstr;

// The config.json of DeepSeek-V3.1 as it is published.
json published_config() {
  return json::parse(R"({
    "architectures": ["DeepseekV3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
    "auto_map": {"AutoConfig": "configuration_deepseek.DeepseekV3Config"}, "aux_loss_alpha": 0.001,
    "bos_token_id": 0, "eos_token_id": 1, "ep_size": 1, "first_k_dense_replace": 3, "hidden_act": "silu",
    "hidden_size": 7168, "initializer_range": 0.02, "intermediate_size": 18432, "kv_lora_rank": 512,
    "max_position_embeddings": 163840, "model_type": "deepseek_v3", "moe_intermediate_size": 2048,
    "moe_layer_freq": 1, "n_group": 8, "n_routed_experts": 256, "n_shared_experts": 1, "norm_topk_prob": true,
    "num_attention_heads": 128, "num_experts_per_tok": 8, "num_hidden_layers": 61, "num_key_value_heads": 128,
    "num_nextn_predict_layers": 1, "pretraining_tp": 1, "q_lora_rank": 1536, "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "quantization_config": {"activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8",
                            "scale_fmt": "ue8m0", "weight_block_size": [128, 128]},
    "rms_norm_eps": 1e-06,
    "rope_scaling": {"beta_fast": 32, "beta_slow": 1, "factor": 40, "mscale": 1.0, "mscale_all_dim": 1.0,
                     "original_max_position_embeddings": 4096, "type": "yarn"},
    "rope_theta": 10000, "routed_scaling_factor": 2.5, "scoring_func": "sigmoid", "seq_aux": true,
    "tie_word_embeddings": false, "topk_group": 4, "topk_method": "noaux_tc", "torch_dtype": "bfloat16",
    "transformers_version": "4.44.2", "use_cache": true, "v_head_dim": 128, "vocab_size": 129280})");
}

TEST(Config, ReadsThePublishedOne) {
  const ModelConfig config = parse_config(published_config(), "config.json");
  EXPECT_EQ(config.architecture, "DeepseekV3ForCausalLM");
  EXPECT_EQ(config.vocab_size, 129280);
  EXPECT_EQ(config.hidden_size, 7168);
  EXPECT_EQ(config.intermediate_size, 18432);
  EXPECT_EQ(config.num_hidden_layers, 61);
  EXPECT_EQ(config.num_nextn_predict_layers, 1);
  EXPECT_EQ(config.first_k_dense_replace, 3);
  EXPECT_EQ(config.num_attention_heads, 128);
  EXPECT_EQ(config.latent().q_lora_rank, 1536);
  EXPECT_EQ(config.latent().kv_lora_rank, 512);
  EXPECT_EQ(config.latent().qk_nope_head_dim, 128);
  EXPECT_EQ(config.latent().qk_rope_head_dim, 64);
  EXPECT_EQ(config.latent().v_head_dim, 128);
  EXPECT_EQ(config.n_routed_experts, 256);
  EXPECT_EQ(config.n_shared_experts, 1);
  EXPECT_EQ(config.num_experts_per_tok, 8);
  EXPECT_EQ(config.n_group, 8);
  EXPECT_EQ(config.topk_group, 4);
  EXPECT_EQ(config.moe_intermediate_size, 2048);
  EXPECT_TRUE(config.norm_topk_prob);
  EXPECT_TRUE(config.routing_bias);
  EXPECT_EQ(config.scoring_func, kernels::Scoring::sigmoid);
  EXPECT_EQ(config.routed_scaling_factor, 2.5);
  EXPECT_EQ(config.max_position_embeddings, 163840);
  EXPECT_EQ(config.rms_norm_eps, 1e-6);
  EXPECT_EQ(config.eos_token_ids, std::vector<TokenId>{1});
  ASSERT_TRUE(config.yarn);
  EXPECT_EQ(config.yarn->factor, 40);
  EXPECT_EQ(config.yarn->original_max_position_embeddings, 4096);
  EXPECT_EQ(config.yarn->mscale_all_dim, 1);
  ASSERT_TRUE(config.fp8);
  EXPECT_EQ(config.fp8->rows, 128);
  EXPECT_FALSE(config.is_moe(2));
  EXPECT_TRUE(config.is_moe(3));
}

TEST(Config, ReadsTheDemoModelsFile) {
  const ModelConfig config = load_config(std::filesystem::path(DEMO_MODEL) / "config.json");
  EXPECT_EQ(config.hidden_size, 256);
  EXPECT_FALSE(config.yarn);
  EXPECT_TRUE(config.fp8);
}

TEST(Config, BoundsItsFile) {
  const TemporaryFolder folder;
  const auto file = folder.write("config.json", std::string(limits::config_bytes + 1, ' '));
  EXPECT_THAT(error_of([&] { load_config(file); }), HasSubstr("config.json: has 1048577 bytes"));
}

struct Wrong {
  const char* pointer;  // JSON pointer into small_config()
  const char* value;
  const char* message;  // part of the Error
};
std::ostream& operator<<(std::ostream& out, const Wrong& wrong) {
  return out << wrong.pointer << " = " << wrong.value;
}

class WrongConfig : public testing::TestWithParam<Wrong> {};

TEST_P(WrongConfig, IsRefusedByName) {
  json config = published_config();
  config[json::json_pointer(GetParam().pointer)] = json::parse(GetParam().value);
  EXPECT_THAT(error_of([&] { parse_config(config, "c.json"); }),
              HasSubstr(std::string("c.json: ") + GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Arithmetic, WrongConfig,
    testing::Values(Wrong{"/architectures", "[\"GemmaForCausalLM\"]", "architectures must be"},
                    Wrong{"/architectures", "[]", "architectures must be"},
                    Wrong{"/architectures", "null", "architectures must be"},
                    Wrong{"/model_type", "\"deepseek_v2\"", "model_type is \"deepseek_v2\""},
                    Wrong{"/attention_bias", "true", "attention_bias is true"},
                    Wrong{"/attention_bias", "0", "attention_bias must be true or"},
                    Wrong{"/hidden_act", "\"gelu\"", "hidden_act is \"gelu\""},
                    Wrong{"/scoring_func", "\"softmax\"", "scoring_func is \"softmax\""},
                    Wrong{"/topk_method", "\"greedy\"", "topk_method is \"greedy\""},
                    Wrong{"/norm_topk_prob", "null", "norm_topk_prob is missing"},
                    Wrong{"/rope_interleave", "false", "rope_interleave is false"},
                    Wrong{"/num_key_value_heads", "64", "num_key_value_heads must be 128"},
                    Wrong{"/head_dim", "128", "head_dim must be 64"},
                    Wrong{"/qk_head_dim", "128", "qk_head_dim must be 192"},
                    Wrong{"/sliding_window", "4096", "sliding_window is not supported"},
                    Wrong{"/use_sliding_window", "1", "use_sliding_window must be true or"},
                    Wrong{"/use_sliding_window", "true", "use_sliding_window is true"},
                    Wrong{"/index_topk", "2048", "index_topk is not supported"},
                    Wrong{"/mlp_bias", "true", "mlp_bias is not supported"},
                    Wrong{"/clip_qkv", "8.0", "clip_qkv is not supported"},
                    Wrong{"/attn_logit_softcapping", "30", "attn_logit_softcapping is not supported"},
                    Wrong{"/quantization", "{\"bits\": 4}", "quantization is not supported"},
                    Wrong{"/num_local_experts", "8", "num_local_experts must be 256"},
                    Wrong{"/partial_rotary_factor", "0.5", "partial_rotary_factor must be 1"},
                    Wrong{"/layer_types", "[\"full_attention\", \"sliding_attention\"]",
                          "layer_types[1] is \"sliding_attention\"; only \"full_attention\""},
                    Wrong{"/mlp_layer_types", "[\"sparse\"]",
                          "mlp_layer_types[0] is \"sparse\"; only \"dense\""},
                    Wrong{"/qk_rope_head_dim", "63", "qk_rope_head_dim must be even"},
                    Wrong{"/n_group", "7", "n_group must divide n_routed_experts, 256"},
                    Wrong{"/n_group", "256", "n_group leaves one expert a group"},
                    Wrong{"/topk_group", "9", "topk_group is 9; it must be between 1 and 8"},
                    Wrong{"/n_routed_experts", "8", "n_group leaves one expert"},
                    Wrong{"/moe_layer_freq", "0", "moe_layer_freq is 0"},
                    Wrong{"/routed_scaling_factor", "0", "routed_scaling_factor is 0"},
                    Wrong{"/rms_norm_eps", "-1e-6", "rms_norm_eps is"},
                    Wrong{"/rope_theta", "0", "rope_theta is 0"},
                    Wrong{"/eos_token_id", "129280", "eos_token_id is 129280"},
                    Wrong{"/bos_token_id", "-1", "bos_token_id is -1"},
                    Wrong{"/vocab_size", "\"many\"", "vocab_size must be an integer"},
                    Wrong{"/hidden_size", "null", "hidden_size is missing"}));

INSTANTIATE_TEST_SUITE_P(
    Rope, WrongConfig,
    testing::Values(
        Wrong{"/rope_scaling/type", "\"linear\"", "rope_scaling.rope_type must be"},
        Wrong{"/rope_scaling/type", "null", "rope_scaling.rope_type must be"},
        Wrong{"/rope_scaling/rope_type", "\"default\"", "rope_scaling.rope_type differs from type"},
        Wrong{"/rope_scaling/type", "\"default\"", "rope_scaling.beta_fast is not supported"},
        Wrong{"/rope_scaling/rope_theta", "5000", "rope_scaling.rope_theta differs"},
        Wrong{"/rope_scaling/factor", "0.5", "rope_scaling.factor is 0.5"},
        Wrong{"/rope_scaling/factor", "null", "rope_scaling.factor is missing"},
        Wrong{"/rope_scaling/mscale", "null", "rope_scaling.mscale_all_dim needs both"},
        Wrong{"/rope_scaling/mscale_all_dim", "null", "rope_scaling.mscale needs both"},
        Wrong{"/rope_scaling/beta_slow", "33", "rope_scaling.beta_fast must be at least"},
        Wrong{"/rope_scaling/original_max_position_embeddings", "0", "rope_scaling.original_max"},
        Wrong{"/rope_scaling/truncate", "false", "rope_scaling.truncate is false"},
        Wrong{"/rope_scaling/attention_factor", "1", "rope_scaling.attention_factor is not supported"},
        Wrong{"/rope_scaling", "8", "rope_scaling must be a JSON object"},
        Wrong{"/rope_parameters", "{}", "rope_parameters and rope_scaling are both set"}));

INSTANTIATE_TEST_SUITE_P(
    Quantization, WrongConfig,
    testing::Values(Wrong{"/quantization_config/quant_method", "\"exl2\"",
                          "quantization_config.quant_method must be"},
                    Wrong{"/quantization_config/fmt", "\"e5m2\"", "quantization_config.fmt is \"e5m2\""},
                    Wrong{"/quantization_config/bits", "4", "quantization_config.bits is not supported"},
                    Wrong{"/quantization_config/weight_block_size", "[128]",
                          "quantization_config.weight_block_size must"},
                    Wrong{"/quantization_config/weight_block_size", "[128, 0]",
                          "quantization_config.weight_block_size[1] is 0; it must be between 1 and 16384"},
                    Wrong{"/quantization_config/weight_block_size", "[16385, 1]",
                          "quantization_config.weight_block_size[0] is 16385"}));

TEST(Config, EveryLimitHolds) {
  const std::pair<const char*, std::int64_t> largest[] = {
      {"vocab_size", limits::vocab_size},
      {"hidden_size", limits::hidden_size},
      {"q_lora_rank", limits::hidden_size},
      {"kv_lora_rank", limits::hidden_size},
      {"intermediate_size", limits::intermediate_size},
      {"num_hidden_layers", limits::layers},
      {"num_nextn_predict_layers", limits::nextn_layers},
      {"qk_rope_head_dim", limits::rotary_dim},
      {"v_head_dim", limits::head_dim},
      {"n_shared_experts", limits::shared_experts},
      {"num_experts_per_tok", limits::experts_per_token},
      {"max_position_embeddings", limits::positions},
      {"moe_intermediate_size", limits::intermediate_size},
  };
  for (const auto& [name, limit] : largest) {
    json config = published_config();
    config["n_routed_experts"] = 128;  // so that layers can be as many as their own limit allows
    config[name] = limit;
    EXPECT_NO_THROW(parse_config(config, "c")) << name;
    config[name] = limit + 1;
    EXPECT_THAT(error_of([&] { parse_config(config, "c"); }), HasSubstr(std::string(name) + " is ")) << name;
  }
  for (const auto& [name, limit] :
       {std::pair("n_routed_experts", limits::routed_experts),
        std::pair("num_attention_heads", limits::heads), std::pair("qk_nope_head_dim", limits::head_dim)}) {
    json config = published_config();
    config.erase("num_key_value_heads");
    config[name] = limit;
    EXPECT_NO_THROW(parse_config(config, "c")) << name;
    config[name] = limit + 1;
    EXPECT_THAT(error_of([&] { parse_config(config, "c"); }), HasSubstr(std::string(name) + " is ")) << name;
  }
}

TEST(Config, ProductsAreBounded) {
  json config = published_config();
  config["n_routed_experts"] = limits::experts_of_all_layers / 64;
  config["num_hidden_layers"] = 63;  // and one more to predict
  EXPECT_NO_THROW(parse_config(config, "c"));
  config["num_hidden_layers"] = 64;
  EXPECT_THAT(error_of([&] { parse_config(config, "c"); }), HasSubstr("n_routed_experts times layers"));

  config = published_config();
  config["n_shared_experts"] = 2;
  config["moe_intermediate_size"] = limits::intermediate_size / 2;
  EXPECT_NO_THROW(parse_config(config, "c"));
  config["moe_intermediate_size"] = limits::intermediate_size / 2 + 1;
  EXPECT_THAT(error_of([&] { parse_config(config, "c"); }), HasSubstr("n_shared_experts times"));
}

TEST(Config, KeptGroupsMustHoldEnoughExperts) {
  json config = published_config();
  config["n_routed_experts"] = 16;
  EXPECT_NO_THROW(parse_config(config, "c"));
  config["topk_group"] = 3;
  EXPECT_THAT(error_of([&] { parse_config(config, "c"); }),
              HasSubstr("num_experts_per_tok is more than the experts in topk_group groups, 6"));
}

TEST(Config, AcceptsTheFormsThatAreAround) {
  json config = published_config();
  config["torch_dtype"] = "float16";
  config["q_lora_rank"] = nullptr;
  config["eos_token_id"] = {1, 5};
  config["rope_interleave"] = true;
  config["head_dim"] = 64;
  config["qk_head_dim"] = 192;
  config["tie_word_embeddings"] = true;
  config["quantization_config"] = nullptr;
  json parameters = config["rope_scaling"];
  config.erase("rope_scaling");
  config.erase("rope_theta");
  parameters.erase("type");
  parameters.update({{"rope_type", "yarn"}, {"rope_theta", 50000}});
  config["rope_parameters"] = parameters;
  const ModelConfig read = parse_config(config, "c");
  EXPECT_EQ(read.latent().q_lora_rank, 0);
  EXPECT_EQ(read.eos_token_ids, (std::vector<TokenId>{1, 5}));
  EXPECT_EQ(read.rope_theta, 50000);
  EXPECT_EQ(read.yarn->factor, 40);
  EXPECT_TRUE(read.tie_word_embeddings);
  EXPECT_FALSE(read.fp8);

  config["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 50000}};
  EXPECT_FALSE(parse_config(config, "c").yarn);
}

// What transformers, trainers and converters write beside the model.
TEST(Config, TakesFieldsThatChangeNothing) {
  json config = published_config();
  config.update(json::parse(R"({
    "output_router_logits": false, "unsloth_version": "2026.1.1", "tokenizer_class": "LlamaTokenizerFast",
    "router_aux_loss_coef": 0.001, "id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0},
    "output_attentions": true, "use_sliding_window": false, "sliding_window": 4096, "max_window_layers": 61,
    "num_local_experts": 256, "partial_rotary_factor": 1.0, "layer_types": ["full_attention"],
    "mlp_layer_types": ["dense", "dense", "dense", "sparse"], "index_topk": null, "mlp_bias": false,
    "attn_logit_softcapping": 0.0, "no_rope_layers": [], "quantization": {}, "qk_norm": ""})"));
  config["rope_scaling"].update(
      {{"truncate", true}, {"partial_rotary_factor", 1}, {"attention_factor", nullptr}});
  config["quantization_config"].update({{"dequantize", false}, {"modules_to_not_convert", {"lm_head"}}});
  EXPECT_THAT(parse_config(config, "c").unknown_fields, testing::IsEmpty());
}

TEST(Config, AWindowThatNoSequenceOutgrowsOrNoLayerHasChangesNothing) {
  const auto fault = [](const json& more) {
    json config = small_config();  // of 3 layers and 512 positions
    config["use_sliding_window"] = true;
    config.update(more);
    return error_of([&] { parse_config(config, "c"); });
  };
  EXPECT_EQ(fault({{"sliding_window", 512}}), "no error");
  EXPECT_EQ(fault({{"sliding_window", 64}, {"max_window_layers", 3}}), "no error");
  EXPECT_THAT(fault({{"sliding_window", 511}}), HasSubstr("use_sliding_window is true"));
  EXPECT_THAT(fault({{"sliding_window", 64}, {"max_window_layers", 2}}),
              HasSubstr("use_sliding_window is true"));
  EXPECT_THAT(fault({{"sliding_window", nullptr}}), HasSubstr("use_sliding_window is true"));
}

TEST(Config, TellsWhichFieldsItDoesNotKnow) {
  json config = published_config();
  config.update({{"my_note", "x"}, {"some_switch", true}, {"another_switch", false}});
  EXPECT_THAT(parse_config(config, "c").unknown_fields,
              testing::UnorderedElementsAre("my_note", "some_switch"));
}

TEST(Config, ADenseModelNeedsNoExperts) {
  json config = small_config();
  for (const char* name :
       {"n_shared_experts", "num_experts_per_tok", "n_group", "topk_group", "moe_intermediate_size"}) {
    config.erase(name);
  }
  config["n_routed_experts"] = nullptr;
  const ModelConfig read = parse_config(config, "c");
  EXPECT_FALSE(read.is_moe(2));
}

}  // namespace
}  // namespace troupe::model
