#include "model/checkpoint/checkpoint.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstring>
#include <functional>

#include "model/checkpoint/expected_tensors.hpp"
#include "model/checkpoint/synth.hpp"
#include "tests/model/checkpoint/checkpoint_folder.hpp"

namespace troupe::model {
namespace {

using kernels::DType;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

// The tensors of a checkpoint, to be changed and written again.
struct OwnedTensor {
  TensorHeader header;
  std::vector<std::byte> bytes;
};
using OwnedTensors = std::map<std::string, OwnedTensor>;

OwnedTensors read_tensors(const std::filesystem::path& file) {
  OwnedTensors tensors;
  const auto opened = SafetensorsFile::open(file);
  for (const auto& [name, stored] : opened.tensors()) {
    tensors[name] = {{name, stored.dtype, stored.shape}, {stored.bytes.begin(), stored.bytes.end()}};
  }
  return tensors;
}

void write_tensors(const std::filesystem::path& file, const OwnedTensors& tensors) {
  std::vector<TensorToWrite> list;
  for (const auto& [name, tensor] : tensors) list.push_back({tensor.header, tensor.bytes});
  write_safetensors(file, list);
}

void put(OwnedTensors& tensors, const std::string& name, DType dtype, std::vector<std::int64_t> shape) {
  OwnedTensor& tensor = tensors[name] = {{name, dtype, std::move(shape)}, {}};
  tensor.bytes.resize(tensor.header.bytes());
}

// A small checkpoint of a type, with its tensors changed.
class ChangedCheckpoint {
 public:
  explicit ChangedCheckpoint(DType weights, const json& config = small_config())
      : path_(folder_.path() / "model") {
    write_synth(config, path_, {.weights = weights});
  }
  const std::filesystem::path& path() const { return path_; }
  std::string refusal(const std::function<void(OwnedTensors&)>& change) const {
    OwnedTensors tensors = read_tensors(path_ / "model.safetensors");
    change(tensors);
    write_tensors(path_ / "model.safetensors", tensors);
    return error_of([&] { Checkpoint::open(path_); });
  }

 private:
  TemporaryFolder folder_;
  std::filesystem::path path_;
};

const std::string linear = "model.layers.1.mlp.experts.3.down_proj.weight";  // [48, 16]

TEST(Checkpoint, OpensTheDemoModel) {
  const Checkpoint checkpoint = Checkpoint::open(DEMO_MODEL);
  EXPECT_EQ(checkpoint.folder(), DEMO_MODEL);
  EXPECT_EQ(checkpoint.config().num_hidden_layers, 5);
  const StoredTensor& head = checkpoint.tensor("lm_head.weight");
  EXPECT_EQ(head.dtype, DType::bf16);
  EXPECT_EQ(head.shape, (std::vector<std::int64_t>{1536, 256}));
  EXPECT_TRUE(checkpoint.has("model.layers.1.mlp.experts.0.down_proj.weight_scale_inv"));
  EXPECT_FALSE(checkpoint.has("model.layers.9.input_layernorm.weight"));
  std::size_t all = 0, loaded = 0;
  for (const std::string& name : checkpoint.names()) {
    all += checkpoint.tensor(name).bytes.size();
    if (!name.starts_with("model.layers.5.")) loaded += checkpoint.tensor(name).bytes.size();
  }
  EXPECT_EQ(checkpoint.total_bytes(), loaded);
  EXPECT_EQ(checkpoint.total_bytes(true), all);
  EXPECT_LT(loaded, all);
}

TEST(CheckpointDeathTest, HasNoOtherTensors) {
  const Checkpoint checkpoint = Checkpoint::open(DEMO_MODEL);
  EXPECT_DEATH(checkpoint.tensor("model.norm.bias"), "model.norm.bias");
}

TEST(Checkpoint, RefusesFoldersThatAreNone) {
  const TemporaryFolder folder;
  EXPECT_THAT(error_of([&] { Checkpoint::open(folder.path() / "none"); }), HasSubstr("none: no such folder"));
  EXPECT_THAT(error_of([&] { Checkpoint::open(folder.path()); }), HasSubstr("config.json: no such file"));
  folder.write("config.json", small_config().dump());
  EXPECT_THAT(error_of([&] { Checkpoint::open(folder.path()); }),
              HasSubstr("has neither model.safetensors nor"));
}

TEST(Checkpoint, PredictionLayersMayShareEmbeddingAndHead) {
  const ChangedCheckpoint checkpoint(DType::bf16);
  const std::size_t bytes = Checkpoint::open(checkpoint.path()).total_bytes(true);
  EXPECT_EQ(checkpoint.refusal([](OwnedTensors& tensors) {
    EXPECT_EQ(tensors.erase("model.layers.3.embed_tokens.weight"), 1u);
    EXPECT_EQ(tensors.erase("model.layers.3.shared_head.head.weight"), 1u);
  }),
            "no error");
  EXPECT_EQ(Checkpoint::open(checkpoint.path()).total_bytes(true), bytes - 2 * 2 * 96 * 48);
}

// Without the prediction layer: transformers drops its tensors, some converters a few of them.
TEST(Checkpoint, APredictionLayerThatIsNotWholeIsDoneWithout) {
  const auto opened_without = [](DType weights, const std::function<bool(std::string_view)>& dropped) {
    const ChangedCheckpoint checkpoint(weights);
    const std::size_t decoder = Checkpoint::open(checkpoint.path()).total_bytes();
    EXPECT_EQ(checkpoint.refusal([&](OwnedTensors& tensors) {
      EXPECT_GT(std::erase_if(tensors, [&](const auto& tensor) { return dropped(tensor.first); }), 0u);
    }),
              "no error");
    const Checkpoint opened = Checkpoint::open(checkpoint.path());
    EXPECT_EQ(opened.config().num_nextn_predict_layers, 0);
    EXPECT_EQ(opened.total_bytes(true), decoder);
    return opened.notes();
  };
  const std::string said = "num_nextn_predict_layers is 1, and ",
                    consequence = " is missing: there is no prediction layer";
  EXPECT_THAT(
      opened_without(DType::bf16, [](std::string_view name) { return name.starts_with("model.layers.3."); }),
      ElementsAre(said + "model.layers.3.enorm.weight" + consequence));
  for (const char* name : {"model.layers.3.shared_head.norm.weight", "model.layers.3.eh_proj.weight",
                           "model.layers.3.self_attn.kv_b_proj.weight"})
    EXPECT_THAT(opened_without(DType::bf16, [&](std::string_view each) { return each == name; }),
                ElementsAre(said + name + consequence));
  const std::string scale = "model.layers.3.mlp.experts.0.up_proj.weight_scale_inv";
  EXPECT_THAT(opened_without(DType::f8_e4m3, [&](std::string_view each) { return each == scale; }),
              ElementsAre(said + scale + consequence));
}

TEST(Checkpoint, APredictionLayerMayComeUnannounced) {
  const ChangedCheckpoint checkpoint(DType::bf16);
  const std::size_t bytes = Checkpoint::open(checkpoint.path()).total_bytes(true);
  json config = small_config();
  config.erase("num_nextn_predict_layers");
  std::ofstream(checkpoint.path() / "config.json") << config;
  const Checkpoint opened = Checkpoint::open(checkpoint.path());
  EXPECT_EQ(opened.config().num_nextn_predict_layers, 1);
  EXPECT_EQ(opened.total_bytes(true), bytes);
  EXPECT_THAT(opened.notes(),
              ElementsAre(HasSubstr("the files hold more; prediction layers that are whole: 1")));
}

// Then config.json counts too few layers, which is no small thing.
TEST(Checkpoint, ALayerOfTheDecoderIsNoPredictionLayer) {
  const ChangedCheckpoint checkpoint(DType::bf16);
  json config = small_config();
  config.merge_patch({{"num_hidden_layers", 2}, {"num_nextn_predict_layers", 0}});
  std::ofstream(checkpoint.path() / "config.json") << config;
  EXPECT_THAT(error_of([&] { Checkpoint::open(checkpoint.path()); }),
              HasSubstr("model.layers.2.input_layernorm.weight: is not a tensor that config.json calls for"));
}

TEST(Checkpoint, OnlyTheFirstPredictionLayersThatAreWholeCount) {
  json config = small_config();
  config["num_nextn_predict_layers"] = 3;
  const ChangedCheckpoint checkpoint(DType::bf16, config);
  EXPECT_EQ(checkpoint.refusal([](OwnedTensors& tensors) { tensors.erase("model.layers.4.hnorm.weight"); }),
            "no error");
  const Checkpoint opened = Checkpoint::open(checkpoint.path());
  EXPECT_EQ(opened.config().num_nextn_predict_layers, 1);
  EXPECT_GT(opened.total_bytes(true), opened.total_bytes());
  EXPECT_THAT(opened.notes(),
              ElementsAre(HasSubstr("model.layers.4.hnorm.weight is missing: prediction layers "
                                    "that are whole: 1")));
}

TEST(Checkpoint, PassesOverWhatIsKnownWithoutIt) {
  json config = small_config();
  config["tie_word_embeddings"] = true;
  config["my_note"] = "x";
  const ChangedCheckpoint checkpoint(DType::bf16, config);
  const Checkpoint before = Checkpoint::open(checkpoint.path());
  EXPECT_EQ(checkpoint.refusal([](OwnedTensors& tensors) {
    for (const char* layer : {"0", "3"})
      put(tensors, std::string("model.layers.") + layer + ".self_attn.rotary_emb.inv_freq", DType::f32, {2});
    put(tensors, "model.rotary_emb.cos_cached", DType::bf16, {512, 4});
    put(tensors, "lm_head.weight", DType::bf16, {96, 48});
  }),
            "no error");
  const Checkpoint opened = Checkpoint::open(checkpoint.path());
  EXPECT_EQ(opened.names(), before.names());
  EXPECT_EQ(opened.total_bytes(true), before.total_bytes(true));
  EXPECT_THAT(opened.notes(), ElementsAre(HasSubstr("taken to change nothing: my_note"),
                                          HasSubstr("4 tensors are passed over, such as lm_head.weight")));
}

TEST(Checkpoint, RefusesMissingTensors) {
  for (const char* name : {"model.norm.weight", "lm_head.weight", "model.layers.0.mlp.up_proj.weight",
                           "model.layers.2.mlp.gate.e_score_correction_bias"}) {
    const ChangedCheckpoint checkpoint(DType::bf16);
    EXPECT_EQ(checkpoint.refusal([&](OwnedTensors& tensors) { tensors.erase(name); }),
              checkpoint.path().string() + ": " + name + ": is missing");
  }
}

TEST(Checkpoint, RefusesExtraTensors) {
  for (const char* name : {"model.layers.0.self_attn.q_proj.bias", "model.layers.4.input_layernorm.weight",
                           "model.layers.1.mlp.experts.8.up_proj.weight", "other"}) {
    const ChangedCheckpoint checkpoint(DType::bf16);
    EXPECT_THAT(checkpoint.refusal([&](OwnedTensors& tensors) { put(tensors, name, DType::bf16, {48}); }),
                HasSubstr("model.safetensors: " + std::string(name) +
                          ": is not a tensor that config.json calls for"));
  }
}

TEST(Checkpoint, RefusesWrongShapes) {
  const ChangedCheckpoint checkpoint(DType::bf16);
  EXPECT_THAT(
      checkpoint.refusal([](OwnedTensors& tensors) {
        put(tensors, linear, DType::bf16, {16, 48});
      }),
      HasSubstr("model.safetensors: " + linear + ": has shape [16, 48]; config.json calls for [48, 16]"));
}

TEST(Checkpoint, RefusesWrongTypes) {
  const ChangedCheckpoint checkpoint(DType::bf16);
  EXPECT_THAT(checkpoint.refusal([](OwnedTensors& tensors) {
    put(tensors, linear, DType::i32, {48, 16});
  }),
              HasSubstr(linear + ": has type I32"));
  EXPECT_THAT(checkpoint.refusal([](OwnedTensors& tensors) {
    put(tensors, linear, DType::f8_e4m3, {48, 16});
  }),
              HasSubstr(linear + ": is F8_E4M3, and nothing says which scales it has"));
  for (const auto& [name, shape] :
       {std::pair<std::string, std::vector<std::int64_t>>{"model.embed_tokens.weight", {96, 48}},
        {"lm_head.weight", {96, 48}},
        {"model.layers.1.mlp.gate.weight", {8, 48}}}) {
    const ChangedCheckpoint quantised(DType::f8_e4m3);
    EXPECT_THAT(quantised.refusal([&, name = name, shape = shape](OwnedTensors& tensors) {
      put(tensors, name, DType::f8_e4m3, shape);
      put(tensors, name + "_scale_inv", DType::f32, {1, 1});
    }),
                HasSubstr(name + ": has type F8_E4M3"));
  }
}

TEST(Checkpoint, ChecksScales) {
  const std::string scale = linear + "_scale_inv";
  const auto refusal = [](const std::function<void(OwnedTensors&)>& change) {
    return ChangedCheckpoint(DType::f8_e4m3).refusal(change);
  };
  EXPECT_THAT(refusal([&](OwnedTensors& tensors) { tensors.erase(scale); }),
              HasSubstr(scale + ": is missing"));
  EXPECT_THAT(refusal([&](OwnedTensors& tensors) {
                put(tensors, scale, DType::f32, {1, 2});
              }),
              HasSubstr(scale + ": has shape [1, 2]; config.json calls for [1, 1]"));
  EXPECT_THAT(refusal([&](OwnedTensors& tensors) {
                put(tensors, scale, DType::bf16, {1, 1});
              }),
              HasSubstr(scale + ": has type BF16; scales must be F32"));
  EXPECT_THAT(refusal([&](OwnedTensors& tensors) {
                put(tensors, linear, DType::bf16, {48, 16});
              }),
              HasSubstr(scale + ": is not a tensor that config.json calls for"));
}

TEST(Checkpoint, ScalesCoverCutBlocks) {
  json config = small_config();
  config["quantization_config"] = {{"quant_method", "fp8"}, {"weight_block_size", {32, 12}}};
  const ChangedCheckpoint checkpoint(DType::f8_e4m3, config);
  EXPECT_EQ(Checkpoint::open(checkpoint.path()).tensor(linear + "_scale_inv").shape,
            (std::vector<std::int64_t>{2, 2}));
}

TEST(Checkpoint, TakesMixedTypes) {
  const ChangedCheckpoint checkpoint(DType::f8_e4m3);
  OwnedTensors tensors = read_tensors(checkpoint.path() / "model.safetensors");
  tensors.erase(linear + "_scale_inv");
  put(tensors, linear, DType::f16, {48, 16});
  put(tensors, "model.norm.weight", DType::f32, {48});
  put(tensors, "model.layers.1.mlp.gate.e_score_correction_bias", DType::bf16, {8});
  write_tensors(checkpoint.path() / "model.safetensors", tensors);
  EXPECT_EQ(Checkpoint::open(checkpoint.path()).tensor(linear).dtype, DType::f16);
}

TEST(Checkpoint, KnowsTheFormsOfTheModel) {
  json config = small_config();
  config["tie_word_embeddings"] = true;
  config["q_lora_rank"] = nullptr;
  config["n_shared_experts"] = nullptr;
  const ChangedCheckpoint checkpoint(DType::f32, config);
  const Checkpoint opened = Checkpoint::open(checkpoint.path());
  EXPECT_FALSE(opened.has("lm_head.weight"));
  EXPECT_FALSE(opened.has("model.layers.1.mlp.shared_experts.up_proj.weight"));
  EXPECT_EQ(opened.tensor("model.layers.1.self_attn.q_proj.weight").shape,
            (std::vector<std::int64_t>{48, 48}));
}

// A checkpoint in shards, whose index is changed.
class ShardedCheckpoint : public testing::Test {
 protected:
  ShardedCheckpoint() : path_(folder_.path() / "model") {
    write_synth(small_config(), path_, {.shard_bytes = 60'000});
    index_ = json::parse(read_file(path_ / name));
  }
  std::string refusal(const json& index) const {
    std::ofstream(path_ / name) << index.dump();
    return error_of([&] { Checkpoint::open(path_); });
  }
  static constexpr const char* name = "model.safetensors.index.json";
  TemporaryFolder folder_;
  std::filesystem::path path_;
  json index_;
};

TEST_F(ShardedCheckpoint, Opens) {
  EXPECT_GT(
      std::ranges::count_if(std::filesystem::directory_iterator(path_),
                            [](const auto& entry) { return entry.path().extension() == ".safetensors"; }),
      2);
  EXPECT_EQ(Checkpoint::open(path_).names().size(), index_["weight_map"].size());
}

TEST_F(ShardedCheckpoint, OpensThroughLinks) {  // as Hugging Face's cache lays them out
  std::filesystem::rename(path_ / "config.json", folder_.path() / "blob");
  std::filesystem::create_symlink("../blob", path_ / "config.json");
  EXPECT_NO_THROW(Checkpoint::open(path_));
}

TEST_F(ShardedCheckpoint, NamesStayInTheFolder) {
  for (const char* file : {"../model.safetensors", "/etc/passwd", "sub/a.safetensors", "./a.safetensors", "",
                           ".", "..", "a.bin"}) {
    json index = index_;
    index["weight_map"]["lm_head.weight"] = file;
    EXPECT_THAT(refusal(index), HasSubstr("which is no .safetensors file of its folder"));
  }
}

TEST_F(ShardedCheckpoint, AFileIsOneShard) {
  const std::string shard = index_["weight_map"]["lm_head.weight"];
  std::filesystem::create_symlink(shard, path_ / "again.safetensors");
  index_["weight_map"]["lm_head.weight"] = "again.safetensors";
  EXPECT_THAT(refusal(index_),
              HasSubstr(shard + ": is the same file as again.safetensors; the index lists both as shards"));
}

TEST_F(ShardedCheckpoint, TellsPointersFromShards) {
  std::ofstream(path_ / index_["weight_map"]["lm_head.weight"].get<std::string>())
      << "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 60000\n";
  EXPECT_THAT(error_of([&] { Checkpoint::open(path_); }), HasSubstr("is a Git LFS pointer"));
}

TEST_F(ShardedCheckpoint, ShardsHoldWhatTheIndexSays) {
  json index = index_;
  index["weight_map"].erase("lm_head.weight");
  EXPECT_THAT(refusal(index), HasSubstr("holds tensor lm_head.weight, which the index does not put here"));
  index = index_;
  index["weight_map"]["other"] = index["weight_map"]["lm_head.weight"];
  EXPECT_THAT(refusal(index), HasSubstr("the index puts tensor other here; it is missing"));
  index = index_;
  index["weight_map"]["other"] = "absent.safetensors";
  EXPECT_THAT(refusal(index), HasSubstr("absent.safetensors: cannot be opened"));
}

TEST_F(ShardedCheckpoint, RefusesAnIndexThatIsNone) {
  EXPECT_THAT(refusal(json::object()), HasSubstr("weight_map must map tensors to files"));
  EXPECT_THAT(refusal(json::array()), HasSubstr("must be a JSON object"));
  EXPECT_THAT(refusal({{"weight_map", {{"a", 1}}}}), HasSubstr("weight_map must map tensors to file names"));
  json many = json::object();
  for (std::size_t i = 0; i <= max_shards; ++i) many[std::to_string(i)] = std::to_string(i) + ".safetensors";
  EXPECT_THAT(refusal({{"weight_map", many}}), HasSubstr("max_shards"));
  std::ofstream(path_ / name) << std::string(max_index_bytes + 1, ' ');
  EXPECT_THAT(error_of([&] { Checkpoint::open(path_); }), HasSubstr("more than the 67108864"));
}

TEST_F(ShardedCheckpoint, RefusesTruncatedShards) {
  const std::filesystem::path shard = path_ / index_["weight_map"]["lm_head.weight"].get<std::string>();
  std::filesystem::resize_file(shard, std::filesystem::file_size(shard) - 1);
  EXPECT_THAT(error_of([&] { Checkpoint::open(path_); }), HasSubstr("truncated"));
}

}  // namespace
}  // namespace troupe::model
