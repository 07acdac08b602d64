#include "model/checkpoint/weights.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <map>

#include "kernels/cpu/cpu_ops.hpp"
#include "kernels/weights.hpp"
#include "model/checkpoint/safetensors.hpp"
#include "model/checkpoint/synth.hpp"
#include "model/graphs/decoder_weights.hpp"
#include "model/graphs/latent_attention.hpp"
#include "tests/model/checkpoint/checkpoint_folder.hpp"

namespace troupe::model {
namespace {

using kernels::DType;
using transport::ExpertPlacement;

std::filesystem::path reference(const char* name) {
  return std::filesystem::path(TEST_DATA) / "checkpoints" / name;
}

class Weights : public ::testing::Test {
 protected:
  // A copy of a checkpoint in which one tensor is another.
  Checkpoint altered(const std::filesystem::path& original, const std::string& name, DType dtype,
                     const std::string& bytes) {
    const SafetensorsFile file = SafetensorsFile::open(original / "model.safetensors");
    std::vector<TensorToWrite> tensors;
    for (const auto& [key, stored] : file.tensors())
      tensors.push_back({{key, stored.dtype, stored.shape}, stored.bytes});
    for (TensorToWrite& tensor : tensors)
      if (tensor.header.name == name) {
        tensor.header.dtype = dtype;
        tensor.bytes = std::as_bytes(std::span(bytes));
      }
    std::filesystem::copy_file(original / "config.json", folder_.path() / "config.json",
                               std::filesystem::copy_options::overwrite_existing);
    write_safetensors(folder_.path() / "model.safetensors", tensors);
    return Checkpoint::open(folder_.path());
  }

  // The same with one element of it replaced by `bits`.
  template <class Bits>
  Checkpoint spoilt(const char* original, const std::string& name, std::size_t element, Bits bits) {
    const SafetensorsFile file = SafetensorsFile::open(reference(original) / "model.safetensors");
    const StoredTensor& stored = file.tensors().at(name);
    EXPECT_EQ(kernels::size_of(stored.dtype), sizeof bits);
    std::string bytes(reinterpret_cast<const char*>(stored.bytes.data()), stored.bytes.size());
    std::memcpy(bytes.data() + element * sizeof bits, &bits, sizeof bits);
    return altered(reference(original), name, stored.dtype, bytes);
  }

  std::string loading(const Checkpoint& checkpoint, const ShardingPlan& plan = {}) {
    return error_of([&] { read(checkpoint, plan); });
  }
  DecoderWeights read(const Checkpoint& checkpoint, const ShardingPlan& plan,
                      const LoadObservers& observers = {}) {
    const auto placement = ExpertPlacement::spread(checkpoint.config().n_routed_experts, plan.ranks());
    return read_decoder(checkpoint, *ops_, latent_attention, {plan, placement}, observers);
  }
  // Into storage_.
  WeightReader reader_of(const Checkpoint& checkpoint, const LoadObservers& observers = {}) {
    WeightReader reader(checkpoint, *ops_, observers);
    reader.store_in(storage_);
    return reader;
  }

  TemporaryFolder folder_;
  std::unique_ptr<kernels::Ops> ops_ = kernels::make_cpu_ops(1);
  Storage storage_{*ops_};
};

TEST_F(Weights, SlicesOfFp8KeepTheirScales) {
  const Checkpoint checkpoint = Checkpoint::open(reference("deepseek-v3-fp8"));
  const std::string name = "model.layers.0.mlp.down_proj.weight";  // [192, 160] in 2 x 2 blocks
  WeightReader reader = reader_of(checkpoint);
  const kernels::Weight whole = reader.matrix(name, {0, 192}, {0, 160});
  const Slice rows{100, 60}, cols{120, 37};  // across all four blocks
  const kernels::Weight part = reader.matrix(name, rows, cols);
  const kernels::Weight turned = reader.turned_stack({{name, rows, cols}}).front();
  const kernels::Weight corner = reader.matrix(name, {130, 62}, {128, 32});  // inside the last block
  reader.run();
  ASSERT_EQ(part.rows, 60);
  ASSERT_EQ(part.cols, 37);
  ASSERT_EQ(turned.rows, 37);
  ASSERT_EQ(turned.cols, 60);
  ASSERT_NE(whole.scales[0], whole.scales[3]);
  for (std::int64_t r = 0; r < rows.count; ++r)
    for (std::int64_t c = 0; c < cols.count; ++c) {
      const float value = kernels::dequantise(whole, rows.first + r, cols.first + c);
      ASSERT_EQ(kernels::dequantise(part, r, c), value) << r << " " << c;
      ASSERT_EQ(kernels::dequantise(turned, c, r), value) << r << " " << c;
    }
  EXPECT_EQ(kernels::dequantise(corner, 61, 31), kernels::dequantise(whole, 191, 159));
}

TEST_F(Weights, SlicesOfPlainTypes) {
  for (const char* name : {"deepseek-v3-bf16", "deepseek-v3-yarn-f32"}) {
    const Checkpoint checkpoint = Checkpoint::open(reference(name));
    WeightReader reader = reader_of(checkpoint);
    const kernels::Weight whole = reader.matrix("lm_head.weight", {0, 320}, {0, 64});
    const kernels::Weight turned = reader.turned_stack({{"lm_head.weight", {7, 9}, {3, 50}}}).front();
    reader.run();
    EXPECT_EQ(whole.scales, nullptr);
    for (std::int64_t r = 0; r < 9; ++r)
      for (std::int64_t c = 0; c < 50; ++c)
        ASSERT_EQ(kernels::dequantise(turned, c, r), kernels::dequantise(whole, 7 + r, 3 + c)) << name;
  }
}

TEST_F(Weights, PaddedRowsAreZero) {
  const Checkpoint checkpoint = Checkpoint::open(reference("deepseek-v3-fp8"));
  WeightReader reader = reader_of(checkpoint);
  const kernels::Weight head = reader.matrix("lm_head.weight", {300, 20}, {0, 192}, 25);
  const kernels::Weight fp8 = reader.matrix("model.layers.0.mlp.down_proj.weight", {126, 66}, {0, 160}, 200);
  reader.run();
  ASSERT_EQ(head.rows, 25);
  ASSERT_EQ(fp8.rows, 200);
  EXPECT_NE(kernels::dequantise(head, 19, 191), 0);
  EXPECT_NE(kernels::dequantise(fp8, 65, 0), 0);
  for (std::int64_t c = 0; c < 160; ++c) {
    EXPECT_EQ(kernels::dequantise(head, 20, c), 0);
    EXPECT_EQ(kernels::dequantise(fp8, 66, c), 0);
    EXPECT_EQ(kernels::dequantise(fp8, 199, c), 0);
  }
}

// Parts of heights that are no multiple of a panel's or of a scale's.
TEST_F(Weights, AStackLiesInOnePieceOfMemory) {
  const Checkpoint checkpoint = Checkpoint::open(reference("deepseek-v3-fp8"));
  const std::string name = "model.layers.0.mlp.down_proj.weight";  // [192, 160] in 2 x 2 blocks
  const std::vector<MatrixPart> parts{
      {name, {100, 21}, {0, 160}}, {name, {121, 37}, {0, 160}}, {name, {0, 5}, {3, 50}}};
  WeightReader reader = reader_of(checkpoint);
  const kernels::Weight whole = reader.matrix(name, {0, 192}, {0, 160});
  const auto stack = reader.stack(parts), turned = reader.turned_stack(parts);
  reader.run();
  const auto end_of = [](const kernels::Weight& w) {
    return static_cast<const std::byte*>(w.data) + kernels::bytes_of(w);
  };
  const std::int64_t scale_rows[]{1, 2};  // of the blocks that the first parts touch
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto& [name_of, rows, cols, padded] = parts[i];
    if (i > 0) {
      EXPECT_EQ(stack[i].data, end_of(stack[i - 1]));
      EXPECT_EQ(turned[i].data, end_of(turned[i - 1]));
      EXPECT_EQ(stack[i].scales, stack[i - 1].scales + scale_rows[i - 1] * stack[i - 1].scale_stride);
    }
    for (std::int64_t r = 0; r < rows.count; ++r)
      for (std::int64_t c = 0; c < cols.count; ++c) {
        const float value = kernels::dequantise(whole, rows.first + r, cols.first + c);
        ASSERT_EQ(kernels::dequantise(stack[i], r, c), value) << i << " " << r << " " << c;
        ASSERT_EQ(kernels::dequantise(turned[i], c, r), value) << i << " " << r << " " << c;
      }
  }
}

TEST_F(Weights, VectorsBecomeF32Exactly) {
  // Binary16: one, the smallest subnormal, the largest number, minus a third.
  const std::vector<std::uint16_t> halves{0x3c00, 0x0001, 0x7bff, 0xb555};
  std::string bytes(48 * 2, '\0');
  std::memcpy(bytes.data(), halves.data(), halves.size() * 2);
  const Checkpoint checkpoint = altered(reference("deepseek-v3-bf16"),
                                        "model.layers.0.self_attn.q_a_layernorm.weight", DType::f16, bytes);
  WeightReader reader = reader_of(checkpoint);
  const kernels::Tensor vector = reader.vector("model.layers.0.self_attn.q_a_layernorm.weight"),
                        part = reader.vector("model.layers.0.self_attn.q_a_layernorm.weight", {2, 5});
  reader.run();
  ASSERT_EQ(vector.elements(), 48);
  ASSERT_EQ(part.elements(), 5);
  EXPECT_TRUE(std::equal(part.as<float>(), part.as<float>() + 5, vector.as<float>() + 2));
  const float* values = vector.as<float>();
  EXPECT_EQ(values[0], 1);
  EXPECT_EQ(values[1], std::ldexp(1.0f, -24));
  EXPECT_EQ(values[2], 65504);
  EXPECT_EQ(values[3], -float(0x555) / 4096);
  EXPECT_EQ(values[4], 0);
}

TEST_F(Weights, NanCodesOfFp8AreRefusedByName) {
  const std::string name = "model.layers.1.mlp.experts.5.down_proj.weight";
  for (std::uint8_t code : {0x7f, 0xff})
    for (std::size_t element : {0, 9, 192 * 64 - 1}) {
      const std::string error = loading(spoilt("deepseek-v3-fp8", name, element, code));
      EXPECT_NE(error.find(name), std::string::npos) << error;
      EXPECT_NE(error.find("NaN"), std::string::npos) << error;
    }
  const Checkpoint largest = spoilt("deepseek-v3-fp8", name, 3, std::uint8_t{0xfe});
  EXPECT_EQ(read(largest, {}).layers.size(), 3u);  // -448
}

TEST_F(Weights, NanAndInfinityAreRefusedInEveryOtherType) {
  const float nan = std::numeric_limits<float>::quiet_NaN(),
              infinity = std::numeric_limits<float>::infinity();
  const std::string scale = "model.layers.0.self_attn.kv_b_proj.weight_scale_inv";
  EXPECT_NE(loading(spoilt("deepseek-v3-fp8", scale, 0, nan)).find(scale), std::string::npos);
  EXPECT_NE(loading(spoilt("deepseek-v3-fp8", scale, 0, -infinity)).find(scale), std::string::npos);
  const std::string norm = "model.layers.2.input_layernorm.weight", head = "lm_head.weight";
  for (std::uint16_t bits : {0x7f80, 0xff80, 0x7f81, 0xffff}) {
    EXPECT_NE(loading(spoilt("deepseek-v3-bf16", norm, 63, bits)).find(norm), std::string::npos);
    EXPECT_NE(loading(spoilt("deepseek-v3-bf16", head, 77, bits)).find(head), std::string::npos);
  }
  EXPECT_NE(loading(spoilt("deepseek-v3-yarn-f32", head, 320 * 64 - 1, infinity)).find(head),
            std::string::npos);
  EXPECT_NE(loading(spoilt("deepseek-v3-yarn-f32", head, 0, nan)).find(head), std::string::npos);
  std::string halves(320 * 64 * 2, '\0');
  halves[2 * 1001 + 1] = '\x7c';
  EXPECT_NE(loading(altered(reference("deepseek-v3-bf16"), head, DType::f16, halves)).find(head),
            std::string::npos);
}

TEST_F(Weights, OnlyThisRanksPartIsRead) {
  const Checkpoint checkpoint =
      spoilt("deepseek-v3-fp8", "model.layers.1.mlp.experts.5.down_proj.weight", 0, std::uint8_t{0x7f});
  Progress first;
  read(checkpoint, {.rank = 0, .tensor_parallel = 2, .expert_parallel = true}, {.progress = &first});
  EXPECT_FALSE(loading(checkpoint, {.rank = 1, .tensor_parallel = 2, .expert_parallel = true}).empty());
  EXPECT_GT(first.total, 0u);
  EXPECT_EQ(first.done, first.total);
  EXPECT_LT(first.total, checkpoint.total_bytes() * 2 / 3);
}

TEST_F(Weights, ProgressReachesTheBytesOfTheCheckpoint) {
  const Checkpoint checkpoint = Checkpoint::open(DEMO_MODEL);
  Progress progress;
  const DecoderWeights weights = read(checkpoint, {}, {.progress = &progress});
  EXPECT_EQ(weights.layers.size(), 5u);  // the layer for multi-token prediction stays where it is
  EXPECT_EQ(progress.done, progress.total);
  // The scales of kv_b_proj are read once for each head's part.
  EXPECT_GE(progress.total, checkpoint.total_bytes());
  EXPECT_LT(progress.total, checkpoint.total_bytes() + 4096);
}

// A tensor of several megabytes is read in pieces, each of which ticks.
TEST_F(Weights, LargeTensorsComeInPiecesThatTick) {
  nlohmann::json config = small_config();
  config["vocab_size"] = 100'000;
  write_synth(config, folder_.path() / "large", {});
  const Checkpoint checkpoint = Checkpoint::open(folder_.path() / "large");
  const StoredTensor& stored = checkpoint.tensor("lm_head.weight");
  const std::int64_t rows = stored.shape.at(0), cols = stored.shape.at(1);
  ASSERT_GT(stored.bytes.size(), 4u << 20);
  TickBoard board;
  Progress progress;
  WeightReader reader = reader_of(checkpoint, {.progress = &progress, .ticks = &board});
  const kernels::Weight whole = reader.matrix("lm_head.weight", {0, rows}, {0, cols});
  const kernels::Weight turned = reader.turned_stack({{"lm_head.weight", {0, rows}, {0, cols}}}).front();
  const kernels::Weight table = reader.table("lm_head.weight", {0, rows}, {0, cols});
  const std::uint64_t planned = board.count;
  reader.run();
  EXPECT_GE(board.count, planned + 4);
  EXPECT_EQ(board.loaded_bytes, 3 * stored.bytes.size());
  EXPECT_EQ(progress.done, 3 * stored.bytes.size());
  EXPECT_EQ(std::memcmp(table.data, stored.bytes.data(), stored.bytes.size()), 0);
  for (std::int64_t r = 0; r < rows; ++r) {
    ASSERT_EQ(kernels::dequantise(whole, r, r % cols), kernels::dequantise(table, r, r % cols)) << r;
    ASSERT_EQ(kernels::dequantise(turned, r % cols, r), kernels::dequantise(table, r, r % cols)) << r;
  }
}

TEST_F(Weights, ExpertsComeAndLeave) {
  const std::string name = "model.layers.2.mlp.experts.5.up_proj.weight";
  const Checkpoint checkpoint = Checkpoint::open(reference("deepseek-v3-fp8"));
  const ShardingPlan plan{.rank = 0, .tensor_parallel = 2, .expert_parallel = true};
  const std::int64_t count = checkpoint.config().n_routed_experts;
  DecoderWeights weights = read(checkpoint, plan);
  const auto moe = [&](std::size_t layer) -> const MoeWeights& {
    return std::get<MoeWeights>(weights.layers[layer].feed_forward);
  };
  const auto bytes_of = [](const kernels::Weight& w) {  // of FP8, row after row
    std::string bytes;
    for (std::int64_t r = 0; r < w.rows; ++r)
      for (std::int64_t c = 0; c < w.cols; ++c) bytes += char(*kernels::element_at(w, r, c));
    return bytes;
  };
  ASSERT_TRUE(moe(2).experts.holds(0) && moe(2).experts.holds(1) && !moe(2).experts.holds(5));
  const void* const kept = moe(2).experts.matrices[1].up.data;

  ExpertPlacement moved = ExpertPlacement::spread(count, 2);
  moved.holders[0] = {1};
  moved.holders[5] = {0, 1};
  place_experts(checkpoint, *ops_, {plan, moved}, {}, weights);
  for (std::size_t layer : {1, 2}) {
    const RoutedExperts& experts = moe(layer).experts;
    for (std::int64_t id = 0; id < count; ++id) EXPECT_EQ(experts.holds(id), moved.holds(0, id)) << id;
    EXPECT_EQ(std::int64_t(experts.memory.size()), count / 2);  // one came, one left with its memory
    EXPECT_EQ(experts.matrices.size(), experts.memory.size());
  }
  EXPECT_EQ(moe(2).experts.matrices[0].up.data, kept);  // stays where it is
  const kernels::Weight& arrived = moe(2).experts.matrices[std::size_t(moe(2).experts.place_of[5])].up;
  const std::span<const std::byte> stored = checkpoint.tensor(name).bytes;
  EXPECT_EQ(bytes_of(arrived), std::string(reinterpret_cast<const char*>(stored.data()), stored.size()));
}

TEST_F(Weights, AnExpertThatCannotBeReadChangesNothing) {
  const Checkpoint checkpoint =
      spoilt("deepseek-v3-fp8", "model.layers.2.mlp.experts.5.up_proj.weight", 0, std::uint8_t{0x7f});
  const ShardingPlan plan{.rank = 0, .tensor_parallel = 2, .expert_parallel = true};
  DecoderWeights weights = read(checkpoint, plan);
  ExpertPlacement moved = ExpertPlacement::spread(checkpoint.config().n_routed_experts, 2);
  moved.holders[0] = {1};
  moved.holders[5] = {0};
  EXPECT_NE(error_of([&] {
              place_experts(checkpoint, *ops_, {plan, moved}, {}, weights);
            }).find("experts.5"),
            std::string::npos);
  for (std::size_t layer : {1, 2}) {
    const RoutedExperts& experts = std::get<MoeWeights>(weights.layers[layer].feed_forward).experts;
    EXPECT_TRUE(experts.holds(0));
    EXPECT_FALSE(experts.holds(5));
    EXPECT_EQ(experts.memory.size(), experts.matrices.size());
  }
}

TEST_F(Weights, VocabularyIsCutIntoEqualParts) {
  nlohmann::json config = small_config();
  config["vocab_size"] = 97;
  for (bool tied : {false, true}) {
    config["tie_word_embeddings"] = tied;
    const std::filesystem::path folder = folder_.path() / (tied ? "tied" : "apart");
    write_synth(config, folder, {});
    const Checkpoint checkpoint = Checkpoint::open(folder);
    for (int rank = 0; rank < 4; ++rank) {
      const DecoderWeights weights = read(checkpoint, {.rank = rank, .tensor_parallel = 4});
      EXPECT_EQ(weights.first_token, 25 * rank);
      EXPECT_EQ(weights.embedding.rows, 25);
      EXPECT_EQ(weights.lm_head.rows, 25);
      EXPECT_EQ(weights.lm_head.data == weights.embedding.data, tied);
    }
  }
}

}  // namespace
}  // namespace troupe::model
