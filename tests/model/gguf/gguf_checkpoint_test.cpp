// Checkpoints in GGUF files, which the converter has made of random ones.
#include <gmock/gmock.h>

#include "model/checkpoint/synth.hpp"
#include "model/gguf/convert.hpp"
#include "model/gguf/gguf_config.hpp"
#include "model/gguf/gguf_keys.hpp"
#include "model/gguf/gguf_tensors.hpp"
#include "model/gguf/weight_rows.hpp"
#include "tests/kernels/dequantised_blocks.hpp"
#include "tests/model/checkpoint/checkpoint_folder.hpp"
#include "tests/model/gguf/damage.hpp"
#include "tests/model/graphs/decoder_session.hpp"

namespace troupe::model {
namespace {

using kernels::DType;
using testing::HasSubstr;

// Of rows that are whole blocks of every type.
nlohmann::json wide_config() {
  nlohmann::json config = small_config();
  config.update({{"hidden_size", 256},
                 {"num_hidden_layers", 2},
                 {"num_nextn_predict_layers", 0},
                 {"q_lora_rank", 256},
                 {"kv_lora_rank", 256},
                 {"qk_nope_head_dim", 32},
                 {"qk_rope_head_dim", 16},
                 {"v_head_dim", 64},
                 {"moe_intermediate_size", 256},
                 {"intermediate_size", 256},
                 {"n_shared_experts", 1}});
  return config;
}

std::vector<float> weights_of(const Checkpoint& checkpoint, const std::string& name) {
  const WeightRows rows(checkpoint, name);
  std::vector<float> weights(std::size_t(rows.rows() * rows.columns()));
  for (std::int64_t r = 0; r < rows.rows(); ++r)
    rows.read(r, std::span(weights).subspan(std::size_t(r * rows.columns()), std::size_t(rows.columns())));
  return weights;
}

std::string gguf_key_error(const nlohmann::json& config) {
  return error_of([&] { gguf_keys(config, "m", "config.json"); });
}

ConvertOptions to_type(std::optional<DType> type) {
  ConvertOptions options;
  options.type = type;
  return options;
}

class GgufCheckpoint : public testing::Test {
 protected:
  Checkpoint original(const nlohmann::json& config, DType type = DType::f32) {
    write_synth(config, path("original"), {.weights = type, .seed = 5});
    return Checkpoint::open(path("original"));
  }
  Checkpoint converted(const Checkpoint& from, const std::string& name, std::optional<DType> type = {}) {
    convert(from, path(name), to_type(type));
    return Checkpoint::open(path(name));
  }
  std::filesystem::path path(const std::string& name) const { return folder_.path() / name; }

  TemporaryFolder folder_;
};

TEST_F(GgufCheckpoint, HasTheConfigAndTheWeightsOfItsOriginal) {
  nlohmann::json config = small_config();
  config["rope_scaling"] = {
      {"type", "yarn"},         {"factor", 40},   {"original_max_position_embeddings", 64},
      {"beta_fast", 32},        {"beta_slow", 1}, {"mscale", 0.707},
      {"mscale_all_dim", 0.707}};
  const Checkpoint original = this->original(config);
  const Checkpoint gguf = converted(original, "small.gguf");
  EXPECT_EQ(gguf.config().num_nextn_predict_layers, 0);
  const auto told = nlohmann::json::parse(gguf.config_text());
  for (const char* field : {"architectures",
                            "model_type",
                            "vocab_size",
                            "hidden_size",
                            "num_hidden_layers",
                            "first_k_dense_replace",
                            "num_attention_heads",
                            "q_lora_rank",
                            "kv_lora_rank",
                            "qk_nope_head_dim",
                            "qk_rope_head_dim",
                            "v_head_dim",
                            "n_routed_experts",
                            "n_shared_experts",
                            "num_experts_per_tok",
                            "n_group",
                            "topk_group",
                            "scoring_func",
                            "norm_topk_prob",
                            "routed_scaling_factor",
                            "moe_intermediate_size",
                            "intermediate_size",
                            "max_position_embeddings",
                            "rope_theta",
                            "rope_scaling",
                            "rms_norm_eps",
                            "tie_word_embeddings",
                            "bos_token_id"})
    EXPECT_EQ(told[field], config[field]) << field;
  for (const std::string& name : gguf.names())
    EXPECT_EQ(weights_of(gguf, name), weights_of(original, name)) << name;
}

// Llama 3.1's scaling is a tensor there.
TEST_F(GgufCheckpoint, Llama3sScalingIsKept) {
  nlohmann::json config = small_dense_config("LlamaForCausalLM", "llama");
  config.update({{"num_attention_heads", 2},
                 {"num_key_value_heads", nullptr},  // as many
                 {"head_dim", 32},
                 {"rope_theta", 500000.0},
                 {"rope_scaling",
                  {{"rope_type", "llama3"},
                   {"factor", 8.0},
                   {"low_freq_factor", 1.0},
                   {"high_freq_factor", 4.0},
                   {"original_max_position_embeddings", 8192}}}});
  const Checkpoint original = this->original(config),
                   again = converted(converted(original, "llama3.gguf"), "again.gguf");
  EXPECT_EQ(nlohmann::json::parse(again.config_text())["rope_scaling"], config["rope_scaling"]);
  const std::string name = "model.layers.1.self_attn.k_proj.weight";
  EXPECT_EQ(weights_of(again, name), weights_of(original, name));
  config["rope_scaling"]["low_freq_factor"] = 2.0;
  std::ofstream(path("original") / "config.json") << config;
  EXPECT_THAT(error_of([&] { converted(Checkpoint::open(path("original")), "other.gguf"); }),
              HasSubstr("rope_scaling: scales frequencies as no published Llama does"));
}

TEST_F(GgufCheckpoint, WhatConfigJsonLeavesOutIsV3s) {
  nlohmann::json config = small_config();
  config["scoring_func"] = nullptr;
  EXPECT_EQ(converted(original(config), "v3.gguf").config().architecture, "DeepseekV3ForCausalLM");
  config["architectures"] = {"KimiK2ForCausalLM"};
  config["model_type"] = "kimi_k2";
  EXPECT_EQ(gguf_key_error(config), "no error");
  config["rope_scaling"] = {
      {"type", "yarn"}, {"factor", 4},         {"original_max_position_embeddings", 128},
      {"mscale", 1.0},  {"mscale_all_dim", 1}, {"attn_factor", 2}};
  EXPECT_THAT(gguf_key_error(config), HasSubstr("attn_factor must be 1"));
}

TEST_F(GgufCheckpoint, IsCalledWhatItsFolderIs) {
  write_synth(small_config(), path("original"), {.weights = DType::f32, .seed = 5});
  for (const char* same : {"original", "original/", "original/."}) {
    EXPECT_EQ(Checkpoint::open(path(same)).name(), "original");
    convert(Checkpoint::open(path(same)), path("m.gguf"), {});
    EXPECT_EQ(Checkpoint::open(path("m.gguf")).name(), "original");
  }
  const std::string named = read_file(path("m.gguf"));
  for (const char* other : {"orig\nnal", "orig\xFFnal"}) {
    std::string bytes = named;
    bytes.replace(bytes.find("original"), 8, other);
    EXPECT_EQ(Checkpoint::open(folder_.write("file.gguf", bytes)).name(), "file");
  }
}

// The chain of packed weights is that of the numbers that they stand for.
TEST_F(GgufCheckpoint, PackedWeightsGiveTheBytesOfTheNumbersThatTheyStandFor) {
  const Checkpoint original = this->original(wide_config());
  const Tokens text{3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5};
  const auto logits = [&](const Checkpoint& checkpoint, const SessionOptions& options) {
    return on_ranks(checkpoint, options, [&](Session& session) { return session.text(0, text, 4); });
  };
  for (const DType type : kernels::ggml_types) {
    SCOPED_TRACE(type_name(type));
    const std::string name(type_name(type));
    const Checkpoint packed = converted(original, name + ".gguf", type);
    EXPECT_EQ(packed.tensor("model.layers.1.mlp.experts.2.down_proj.weight").dtype, type);
    const Checkpoint widened = converted(packed, name);
    EXPECT_EQ(widened.tensor("model.layers.1.mlp.experts.2.down_proj.weight").dtype, DType::f32);
    const Logits expected = logits(widened, {});
    EXPECT_TRUE(same_bytes(logits(packed, {}), expected));
    EXPECT_TRUE(same_bytes(logits(packed, {.tensor_parallel = 2}), expected));
  }
}

TEST_F(GgufCheckpoint, RowsThatAreNoWholeBlocksGetAnotherType) {
  nlohmann::json config = wide_config();
  config["intermediate_size"] = 96;
  config["moe_intermediate_size"] = 40;
  const Checkpoint gguf = converted(original(config), "some.gguf", DType::q4_k);
  const auto type = [&](const char* name) { return gguf.tensor(name).dtype; };
  EXPECT_EQ(type("model.layers.0.mlp.gate_proj.weight"), DType::q4_k);
  EXPECT_EQ(type("model.layers.0.mlp.down_proj.weight"), DType::q5_0);
  EXPECT_EQ(type("model.layers.1.mlp.experts.0.down_proj.weight"), DType::f16);
  EXPECT_EQ(type("model.layers.1.mlp.gate.weight"), DType::f32);
  EXPECT_EQ(type("model.norm.weight"), DType::f32);
}

TEST_F(GgufCheckpoint, Fp8BecomesWhatItsScalesSay) {
  const Checkpoint fp8 = Checkpoint::open(std::filesystem::path(TEST_DATA) / "checkpoints/deepseek-v3-fp8");
  const Checkpoint gguf = converted(fp8, "fp8.gguf");
  for (const std::string& name : gguf.names())
    EXPECT_EQ(weights_of(gguf, name), weights_of(fp8, name)) << name;
}

TEST_F(GgufCheckpoint, TellsHowFarWeightsAreFromWhatTheyWere) {
  const Checkpoint original = this->original(wide_config());
  std::size_t told = 0, last = 0, all_weights = 0;
  convert(original, path("q8.gguf"),
          {.type = DType::q8_0,
           .progress =
               [&](std::size_t done, std::size_t all) {
                 EXPECT_GT(done, last);
                 last = done;
                 all_weights = all;
               },
           .report =
               [&](const ConvertedTensor& tensor) {
                 ++told;
                 if (tensor.type == "F32")
                   EXPECT_EQ(tensor.largest_error, 0) << tensor.name;
                 else
                   EXPECT_THAT(tensor.relative_error, testing::AllOf(testing::Gt(0), testing::Lt(0.01)))
                       << tensor.name;
               }});
  EXPECT_EQ(last, all_weights);
  EXPECT_EQ(told, GgufFile::open(path("q8.gguf")).tensors().size());
}

TEST_F(GgufCheckpoint, BlocksHaveNoPlaceInSafetensors) {
  const Checkpoint original = this->original(small_config());
  EXPECT_THAT(error_of([&] { convert(original, path("folder"), to_type(DType::q8_0)); }),
              HasSubstr("has no type Q8_0"));
  EXPECT_THAT(error_of([&] { convert(original, path("original"), {}); }), HasSubstr("is not empty"));
}

TEST(GgufNames, AreThoseOfPublishedTensors) {
  EXPECT_EQ(published_name("token_embd.weight"), "model.embed_tokens.weight");
  EXPECT_EQ(published_name("blk.12.ffn_down.weight"), "model.layers.12.mlp.down_proj.weight");
  EXPECT_EQ(published_name("blk.0.ffn_up_exps.weight"), "model.layers.0.mlp.experts.#.up_proj.weight");
  for (const char* own : {"blk.x.ffn_down.weight", "blk.1.other.weight", "blk.-1.ffn_down.weight", "blk.1",
                          "blk.1.", "else", "blk.99999999999999999999.ffn_down.weight"})
    EXPECT_EQ(published_name(own), own);
  std::int64_t expert = 0;
  EXPECT_EQ(gguf_name("model.layers.3.self_attn.o_proj.weight", expert), "blk.3.attn_output.weight");
  EXPECT_EQ(expert, -1);
  EXPECT_EQ(gguf_name("model.layers.3.mlp.experts.17.gate_proj.weight", expert),
            "blk.3.ffn_gate_exps.weight");
  EXPECT_EQ(expert, 17);
  EXPECT_EQ(gguf_name("model.layers.3.eh_proj.weight", expert), "");
}

TEST(StoredRows, OfPairsAreThoseOfTheHalves) {
  StoredTensor paired;
  paired.paired_rows = 6;
  std::vector<std::int64_t> order;
  for (std::int64_t stored = 0; stored < 12; ++stored) {
    order.push_back(paired.published_row(stored));
    EXPECT_EQ(paired.stored_row(order.back()), stored);
  }
  EXPECT_THAT(order, testing::ElementsAre(0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11));
}

TEST_F(GgufCheckpoint, DamagedFilesAreRefusedOrRead) {
  convert(original(small_config()), path("whole.gguf"), to_type(DType::q8_0));
  const std::string whole = read_file(path("whole.gguf"));
  const std::size_t header = whole.size() - Checkpoint::open(path("whole.gguf")).total_bytes();
  int read = 0;
  for (unsigned seed = 0; seed < 2000; ++seed) {
    std::string damaged = whole;
    Damage(seed).apply(damaged, header);
    try {
      const Checkpoint checkpoint = Checkpoint::open(folder_.write("damaged.gguf", damaged));
      for (const std::string& name : checkpoint.names()) weights_of(checkpoint, name);
      ++read;
    } catch (const Error&) {
    }
  }
  EXPECT_GT(read, 20);
  EXPECT_LT(read, 1500);
}

}  // namespace
}  // namespace troupe::model
