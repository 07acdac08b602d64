#include "model/checkpoint/synth.hpp"

#include <gmock/gmock.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <set>

#include "model/checkpoint/checkpoint.hpp"
#include "model/checkpoint/synth_values.hpp"
#include "tests/model/checkpoint/checkpoint_folder.hpp"

namespace troupe::model {
namespace {

using kernels::DType;
using nlohmann::json;
using testing::HasSubstr;

std::uint64_t fnv1a(std::string_view bytes) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : bytes) hash = (hash ^ std::uint8_t(c)) * 0x100000001b3;
  return hash;
}

std::string synth(const SynthOptions& options) {
  const TemporaryFolder folder;
  write_synth(small_config(), folder.path() / "m", options);
  return read_file(folder.path() / "m" / "model.safetensors");
}

std::vector<float> values_of(const StoredTensor& tensor) {
  std::vector<float> values(tensor.bytes.size() / size_of(tensor.dtype));
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (tensor.dtype == DType::f32) {
      std::memcpy(&values[i], tensor.bytes.data() + 4 * i, 4);
    } else {
      std::uint16_t half = 0;
      std::memcpy(&half, tensor.bytes.data() + 2 * i, 2);
      values[i] = std::bit_cast<float>(std::uint32_t(half) << 16);
    }
  }
  return values;
}

double mean(const std::vector<float>& values) {
  double sum = 0;
  for (const float value : values) sum += value;
  return sum / double(values.size());
}

double deviation(const std::vector<float>& values) {
  double sum = 0;
  for (const float value : values) sum += (value - mean(values)) * (value - mean(values));
  return std::sqrt(sum / double(values.size()));
}

TEST(Synth, OpensAsACheckpoint) {
  for (const DType weights : {DType::f8_e4m3, DType::bf16, DType::f32}) {
    const TemporaryFolder folder;
    write_synth(small_config(), folder.path() / "a" / "m", {.weights = weights});
    const Checkpoint checkpoint = Checkpoint::open(folder.path() / "a" / "m");
    EXPECT_EQ(checkpoint.tensor("model.layers.1.self_attn.o_proj.weight").dtype, weights);
    EXPECT_EQ(checkpoint.config().fp8.has_value(), weights == DType::f8_e4m3);
  }
}

TEST(Synth, SameSeedSameBytes) {
  const std::string one = synth({.weights = DType::f8_e4m3, .seed = 7, .threads = 1});
  EXPECT_EQ(one, synth({.weights = DType::f8_e4m3, .seed = 7, .threads = 5}));
  EXPECT_NE(one, synth({.weights = DType::f8_e4m3, .seed = 8}));
}

TEST(Synth, SameBytesOnAnyMachine) {
  EXPECT_EQ(fnv1a(synth({.weights = DType::f8_e4m3, .seed = 1})), 16496024158934822018u);
  EXPECT_EQ(fnv1a(synth({.weights = DType::bf16, .seed = 1})), 15624349398565635232u);
  EXPECT_EQ(fnv1a(synth({.weights = DType::f32, .seed = 1})), 8421991961125378023u);
}

TEST(Synth, PiecesAndThreadsDoNotShow) {
  const SynthValues values{DType::bf16, synth_key(3, "a"), 0, 1};
  std::vector<std::byte> whole(2 * 1000), parts(2 * 1000);
  fill_synth(values, 16, whole);
  fill_synth(values, 16, std::span(parts).first(2 * 304));
  fill_synth(values, 16 + 304, std::span(parts).subspan(2 * 304));
  EXPECT_EQ(whole, parts);
}

TEST(Synth, IsTame) {
  const TemporaryFolder folder;
  write_synth(small_config(), folder.path() / "m", {.weights = DType::bf16});
  const Checkpoint checkpoint = Checkpoint::open(folder.path() / "m");
  const auto embedding = values_of(checkpoint.tensor("model.embed_tokens.weight"));
  EXPECT_NEAR(mean(embedding), 0, 0.01);
  EXPECT_NEAR(deviation(embedding), 1 / std::sqrt(48), 0.01);
  const auto down = values_of(checkpoint.tensor("model.layers.0.mlp.down_proj.weight"));
  EXPECT_NEAR(deviation(down), 1 / std::sqrt(40), 0.01);
  for (const float value : values_of(checkpoint.tensor("model.norm.weight"))) EXPECT_NEAR(value, 1, 0.11);
}

TEST(Synth, Fp8CodesAreNumbersAndUseTheRange) {
  std::vector<std::byte> codes(1 << 16);
  fill_synth({DType::f8_e4m3, synth_key(0, "a"), 0, 0}, 0, codes);
  std::set<unsigned> seen;
  for (const std::byte code : codes) seen.insert(unsigned(code));
  EXPECT_FALSE(seen.contains(0x7f));
  EXPECT_FALSE(seen.contains(0xff));
  EXPECT_TRUE(seen.contains(0x7e));  // 448
  EXPECT_TRUE(seen.contains(0xfe));
  EXPECT_GT(seen.size(), 60u);
}

TEST(Synth, Fp8HasTheScaleOfItsInput) {
  const TemporaryFolder folder;
  write_synth(small_config(), folder.path() / "m", {.weights = DType::f8_e4m3});
  const Checkpoint checkpoint = Checkpoint::open(folder.path() / "m");
  const float nominal = std::sqrt(3.0f / 40) / 448;
  for (const float scale : values_of(checkpoint.tensor("model.layers.0.mlp.down_proj.weight_scale_inv"))) {
    EXPECT_GT(scale, nominal / 2);
    EXPECT_LT(scale, nominal * 3 / 2);
  }
}

TEST(Synth, SplitsIntoShards) {
  const TemporaryFolder folder;
  const std::size_t limit = 50'000;
  write_synth(small_config(), folder.path() / "m", {.shard_bytes = limit});
  const json index = json::parse(read_file(folder.path() / "m" / "model.safetensors.index.json"));
  std::set<std::string> files;
  for (const auto& file : index["weight_map"]) files.insert(file.get<std::string>());
  EXPECT_GT(files.size(), 2u);
  std::size_t total = 0;
  for (const std::string& file : files) {
    std::size_t bytes = 0;
    const auto shard = SafetensorsFile::open(folder.path() / "m" / file);
    for (const auto& [name, tensor] : shard.tensors()) bytes += tensor.bytes.size();
    EXPECT_LE(bytes, limit);
    total += bytes;
  }
  EXPECT_EQ(index["metadata"]["total_size"], total);
  EXPECT_NO_THROW(Checkpoint::open(folder.path() / "m"));
}

TEST(Synth, CopiesATokenizerThatFits) {
  const TemporaryFolder folder;
  json config = small_config();
  config["vocab_size"] = 1536;
  write_synth(config, folder.path() / "m", {.tokenizer = DEMO_MODEL});
  for (const char* name :
       {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"}) {
    EXPECT_EQ(read_file(folder.path() / "m" / name), read_file(std::filesystem::path(DEMO_MODEL) / name))
        << name;
  }
  config["vocab_size"] = 1000;
  EXPECT_THAT(error_of([&] { write_synth(config, folder.path() / "n", {.tokenizer = DEMO_MODEL}); }),
              HasSubstr("the model has a vocab_size of 1000"));
  EXPECT_THAT(error_of([&] { write_synth(config, folder.path() / "o", {.tokenizer = folder.path()}); }),
              HasSubstr("tokenizer.json: no such file"));
}

TEST(Synth, RefusesToOverwrite) {
  const TemporaryFolder folder;
  const auto file = folder.write("precious", "x");
  EXPECT_THAT(error_of([&] { write_synth(small_config(), folder.path(), {}); }), HasSubstr("is not empty"));
  EXPECT_THROW(write_synth(small_config(), file, {}), Error);
  EXPECT_THAT(error_of([&] { write_synth(json::array(), folder.path() / "m", {}); }),
              HasSubstr("must be a JSON object"));
}

}  // namespace
}  // namespace troupe::model
