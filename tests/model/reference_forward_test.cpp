// Shapes that no golden covers, against plain double-precision loops.
#include "tests/model/reference_forward.hpp"

#include "model/synth.hpp"
#include "tests/model/checkpoint_folder.hpp"
#include "tests/model/decoder_session.hpp"

namespace troupe::model {
namespace {

// The reference itself, against the published implementation's numbers.
TEST(ReferenceForward, AgreesWithAGolden) {
  const std::filesystem::path folder =
      std::filesystem::path(TEST_DATA) / "checkpoints" / "deepseek-v3-yarn-f32";
  const Checkpoint checkpoint = Checkpoint::open(folder);
  const Golden golden = load_golden(folder);
  const std::vector<float> logits = ReferenceModel(checkpoint).logits(golden.text(0));
  EXPECT_LE(worst_difference(logits, std::span(golden.logits).first(logits.size())), 2e-4);
}

struct Variant {
  const char* name;
  nlohmann::json changes;  // of small_config
  kernels::DType weights;
};

class Variants : public ::testing::TestWithParam<Variant> {};

TEST_P(Variants, AgreeAndAreEqualOnAllRanks) {
  nlohmann::json config = small_config();
  config.merge_patch(GetParam().changes);
  TemporaryFolder folder;
  write_synth(config, folder.path() / "model", {.weights = GetParam().weights, .seed = 3});
  const Checkpoint checkpoint = Checkpoint::open(folder.path() / "model");
  Tokens text;
  for (int i = 0; i < 40; ++i) text.push_back((i * 29 + 5) % 96);
  const auto run = [&](const SessionOptions& options) {
    return on_ranks(checkpoint, options, [&](Session& session) { return session.text(0, text, 17); });
  };
  const Logits logits = run({});
  EXPECT_LE(worst_difference(logits, ReferenceModel(checkpoint).logits(text)), 2e-4);
  EXPECT_TRUE(same_bytes(logits, run({.gpu = true})));
  for (int ranks : {2, 4}) {
    EXPECT_TRUE(same_bytes(logits, run({.tensor_parallel = ranks}))) << ranks;
    if (checkpoint.config().n_routed_experts > 0) {
      EXPECT_TRUE(same_bytes(logits, run({.tensor_parallel = ranks, .expert_parallel = true}))) << ranks;
    }
  }
}

const nlohmann::json odd_blocks{
    {"quantization_config", {{"quant_method", "fp8"}, {"fmt", "e4m3"}, {"weight_block_size", {10, 12}}}}};

INSTANTIATE_TEST_SUITE_P(
    All, Variants,
    ::testing::Values(
        Variant{"small", nlohmann::json::object(), kernels::DType::bf16},
        // The norms inside the attention keep their own.
        Variant{"large_epsilon", {{"rms_norm_eps", 0.05}}, kernels::DType::bf16},
        Variant{"direct_queries", {{"q_lora_rank", nullptr}}, kernels::DType::bf16},
        Variant{"direct_queries_fp8", {{"q_lora_rank", nullptr}}, kernels::DType::f8_e4m3},
        Variant{"blocks_across_heads_and_shards", odd_blocks, kernels::DType::f8_e4m3},
        Variant{"tied_uneven_vocabulary",
                {{"tie_word_embeddings", true}, {"vocab_size", 99}},
                kernels::DType::f32},
        Variant{"every_second_layer", {{"moe_layer_freq", 2}, {"n_shared_experts", 0}}, kernels::DType::bf16},
        Variant{"dense", {{"n_routed_experts", nullptr}, {"intermediate_size", 37}}, kernels::DType::bf16},
        Variant{"unnormalised",
                {{"norm_topk_prob", false}, {"n_group", 1}, {"topk_group", 1}},
                kernels::DType::f32},
        Variant{"yarn",
                {{"rope_scaling",
                  {{"type", "yarn"},
                   {"factor", 4},
                   {"original_max_position_embeddings", 128},
                   {"mscale", 0.707},
                   {"mscale_all_dim", 1.0}}}},
                kernels::DType::bf16}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace troupe::model
