// Shapes that no golden covers, against plain double-precision loops.
#include "tests/model/graphs/reference_forward.hpp"

#include "tests/model/graphs/variants.hpp"

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

class Variants : public ::testing::TestWithParam<Variant> {};

TEST_P(Variants, AgreeAndAreEqualOnAllRanks) {
  const SynthCheckpoint checkpoint(GetParam());
  Tokens text;
  for (int i = 0; i < 40; ++i) text.push_back((i * 29 + 5) % 96);
  const Logits logits = expect_equal_everywhere(*checkpoint, [&](const SessionOptions& options) {
    return on_ranks(*checkpoint, options, [&](Session& session) { return session.text(0, text, 17); });
  });
  EXPECT_LE(worst_difference(logits, ReferenceModel(*checkpoint).logits(text)), 2e-4);
}

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
        Variant{"yarn", yarn_of_deepseek, kernels::DType::bf16}),
    name_of_variant);

const nlohmann::json llama = small_dense_config("LlamaForCausalLM", "llama"),
                     qwen2 = small_dense_config("Qwen2ForCausalLM", "qwen2"),
                     qwen3 = small_dense_config("Qwen3ForCausalLM", "qwen3"),
                     deepseek_v2{{"architectures", {"DeepseekV2ForCausalLM"}},
                                 {"model_type", "deepseek_v2"},
                                 {"num_nextn_predict_layers", 0},
                                 {"scoring_func", "softmax"},
                                 {"norm_topk_prob", false}};

INSTANTIATE_TEST_SUITE_P(
    Families, Variants,
    ::testing::Values(
        Variant{"biases", {{"tie_word_embeddings", true}, {"vocab_size", 99}}, kernels::DType::f32, qwen2},
        Variant{"a_key_for_each_head", {{"num_key_value_heads", nullptr}}, kernels::DType::bf16, qwen2},
        Variant{"yarn_of_its_own_amplitude",
                {{"rope_scaling",
                  {{"rope_type", "yarn"},
                   {"factor", 4},
                   {"original_max_position_embeddings", 128},
                   {"attn_factor", 0.8}}}},
                kernels::DType::bf16,
                qwen3},
        Variant{"head_norms_and_blocks_across_heads",
                {{"head_dim", 10},
                 {"rms_norm_eps", 0.05},
                 {"quantization_config", odd_blocks["quantization_config"]}},
                kernels::DType::f8_e4m3,
                qwen3},
        Variant{"llama3",
                {{"head_dim", 16},
                 {"rope_scaling",
                  {{"rope_type", "llama3"},
                   {"factor", 8},
                   {"low_freq_factor", 1},
                   {"high_freq_factor", 4},
                   {"original_max_position_embeddings", 64}}}},
                kernels::DType::bf16,
                llama},
        Variant{"softmax_in_groups",
                {{"topk_method", "group_limited_greedy"}, {"routed_scaling_factor", 16}},
                kernels::DType::f32,
                merged(small_config(), deepseek_v2)},
        Variant{"few_positions_of_many",
                {{"architectures", {"DeepseekV32ForCausalLM"}},
                 {"model_type", "deepseek_v32"},
                 {"index_topk", 7},
                 {"index_n_heads", 3},
                 {"index_head_dim", 6}},
                kernels::DType::f32},
        Variant{"softmax",
                {{"topk_method", "greedy"}},
                kernels::DType::f32,
                merged(small_config(), deepseek_v2)}),
    name_of_variant);

}  // namespace
}  // namespace troupe::model
