#include "model/decoder.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "model/logits.hpp"
#include "tests/model/checkpoint_folder.hpp"
#include "tests/model/decoder_session.hpp"

namespace troupe::model {
namespace {

ModelConfig small_model() {
  return parse_config(small_config(), "config.json");
}

std::string refusal(const ModelConfig& config, const ShardingPlan& plan) {
  const Expected<void> possible = check_plan(config, plan);
  return possible ? "" : possible.error().message;
}

TEST(CheckPlan, AcceptsWhatTheModelCanBeCutBy) {
  for (bool expert_parallel : {false, true})
    for (int ranks : {1, 2, 4})
      EXPECT_EQ(
          refusal(small_model(), {.rank = ranks - 1, .ranks = ranks, .expert_parallel = expert_parallel}),
          "");
  EXPECT_EQ(refusal(small_model(), {.virtual_shards = 256}), "");
}

TEST(CheckPlan, RefusesWithTheNumbers) {
  const ModelConfig config = small_model();
  EXPECT_EQ(refusal(config, {.ranks = 3}), "3 ranks: the number of ranks must be a power of two");
  EXPECT_EQ(refusal(config, {.ranks = 0}), "0 ranks: the number of ranks must be a power of two");
  EXPECT_EQ(refusal(config, {.rank = 2, .ranks = 2}), "rank 2 is not among 2 ranks");
  EXPECT_EQ(refusal(config, {.rank = -1}), "rank -1 is not among 1 rank");
  EXPECT_EQ(refusal(config, {.virtual_shards = 12}),
            "12 virtual shards: must be a power of two, at most 256");
  EXPECT_EQ(refusal(config, {.virtual_shards = 512}),
            "512 virtual shards: must be a power of two, at most 256");
  EXPECT_EQ(refusal(config, {.ranks = 4, .virtual_shards = 2}), "4 ranks are more than the 2 virtual shards");
  EXPECT_EQ(refusal(config, {.ranks = 8}), "4 attention heads cannot be split evenly over 8 ranks");
}

TEST(CheckPlan, RefusesModelsThatAreTooSmall) {
  ModelConfig config = small_model();
  config.num_attention_heads = 16;
  EXPECT_EQ(refusal(config, {.ranks = 16, .expert_parallel = true}),
            "8 experts cannot be spread over 16 ranks");
  EXPECT_EQ(refusal(config, {.ranks = 16}), "");
  config.moe_intermediate_size = 15;
  EXPECT_EQ(refusal(config, {.ranks = 16}), "16 ranks are more than the 15 columns of moe_intermediate_size");
  config.intermediate_size = 14;
  EXPECT_EQ(refusal(config, {.ranks = 16}), "16 ranks are more than the 14 columns of intermediate_size");
}

class SmallDecoder : public ::testing::Test {
 protected:
  static constexpr DecoderLimits limits{.max_tokens = 24, .max_logit_rows = 10, .max_positions = 64};

  Checkpoint checkpoint_ =
      Checkpoint::open(std::filesystem::path(TEST_DATA) / "checkpoints" / "deepseek-v3-bf16");
  std::unique_ptr<kernels::Ops> ops_ = kernels::make_cpu_ops(1);
  std::unique_ptr<transport::Communicator> communicator_ = transport::LocalMesh(1).communicator(0);
  std::unique_ptr<Decoder> decoder_ = load_decoder(checkpoint_, *ops_, {}, limits);
  kernels::ImmediateQueue queue_;
};

TEST_F(SmallDecoder, RefusesAnImpossiblePlan) {
  const std::string error = error_of([&] { load_decoder(checkpoint_, *ops_, {.ranks = 8}, limits); });
  EXPECT_NE(error.find("4 attention heads cannot be split evenly over 8 ranks"), std::string::npos) << error;
}

TEST_F(SmallDecoder, RefusesMorePositionsThanAnglesAreComputedFor) {
  const std::string error =
      error_of([&] { load_decoder(checkpoint_, *ops_, {}, {.max_tokens = 1, .max_positions = 1'000'001}); });
  EXPECT_NE(error.find("1000001 tokens are over the limit, 1000000"), std::string::npos) << error;
}

TEST_F(SmallDecoder, CacheHoldsLatentsOfAllLayers) {
  EXPECT_EQ(cache_bytes_per_token(checkpoint_.config()), 3u * (32 + 8) * 4);
  KvCache cache = decoder_->make_cache(5, 4);
  ASSERT_EQ(cache.layers.size(), 3u);
  for (const kernels::LatentCache& layer : cache.layers) {
    EXPECT_EQ(layer.data.shape(0), 5);
    EXPECT_EQ(layer.block_size(), 4);
    EXPECT_EQ(layer.data.shape(2), 40);
    EXPECT_EQ(layer.data.as<float>()[5 * 4 * 40 - 1], 0);
  }
  EXPECT_EQ(cache.layers[1].data.as<float>(), cache.layers[0].data.as<float>() + 5 * 4 * 40);
}

TEST_F(SmallDecoder, ReadersOfPoisonedBlocksAreFoundOut) {
  KvCache cache = decoder_->make_cache(4, 4);
  const std::vector<BlockId> blocks{0, 1};
  const auto logits_at = [&](std::int64_t first, const Tokens& tokens) {
    const kernels::StepLayout layout{
        .tokens = std::int64_t(tokens.size()),
        .sequences = {{.rows = std::int64_t(tokens.size()), .first_position = first, .blocks = blocks}}};
    const std::vector<std::int32_t> last{std::int32_t(tokens.size()) - 1};
    return decoder_->forward(queue_, *communicator_, {tokens, layout, last}, cache).as<float>()[0];
  };
  EXPECT_TRUE(std::isfinite(logits_at(0, {1, 2, 3})));
  EXPECT_TRUE(std::isfinite(logits_at(3, {4})));
  cache.poison();
  EXPECT_TRUE(std::isnan(logits_at(4, {5})));
  EXPECT_TRUE(std::isfinite(logits_at(0, {1, 2, 3})));  // writes before it reads
}

TEST_F(SmallDecoder, GivesLogitsOfTheWantedRowsAlone) {
  KvCache cache = decoder_->make_cache(4, 4);
  const std::vector<BlockId> first{3, 1}, second{0};
  const Tokens tokens{9, 8, 7, 6, 5, 9, 8};
  const kernels::StepLayout layout{
      .tokens = 7,
      .sequences = {{.first_row = 0, .rows = 5, .first_position = 0, .blocks = first},
                    {.first_row = 5, .rows = 2, .first_position = 0, .blocks = second}}};
  const std::vector<std::int32_t> wanted{1, 4, 6};
  const kernels::Tensor logits = decoder_->forward(queue_, *communicator_, {tokens, layout, wanted}, cache);
  ASSERT_EQ(logits.shape(0), 3);
  ASSERT_EQ(logits.shape(1), 320);
  const float* rows = logits.as<float>();
  // Both sequences begin with the same two tokens.
  EXPECT_EQ(std::memcmp(rows, rows + 2 * 320, 320 * sizeof(float)), 0);
  EXPECT_NE(std::memcmp(rows, rows + 320, 320 * sizeof(float)), 0);
}

TEST_F(SmallDecoder, CountsTheTokensOfEachExpert) {
  const ModelConfig& config = checkpoint_.config();
  std::int64_t moe_layers = 0;
  for (std::int64_t i = 0; i < config.num_hidden_layers; ++i) moe_layers += config.is_moe(i);
  ASSERT_GT(moe_layers, 0);
  ASSERT_LT(moe_layers, config.num_hidden_layers);
  const auto total = [](std::span<const std::int64_t> load) {
    return std::accumulate(load.begin(), load.end(), std::int64_t{0});
  };
  ASSERT_EQ(std::int64_t(decoder_->expert_load().size()), config.n_routed_experts);
  EXPECT_EQ(total(decoder_->expert_load()), 0);
  TokenMatrix text{1, 40, Tokens(40)};
  std::iota(text.ids.begin(), text.ids.end(), 0);
  logits_of(*decoder_, config, limits, queue_, *communicator_, text);
  const std::span alone = decoder_->expert_load();
  EXPECT_EQ(total(alone), 40 * config.num_experts_per_tok * moe_layers);
  EXPECT_GT(std::ranges::count_if(alone, [](std::int64_t tokens) { return tokens > 0; }),
            config.num_experts_per_tok);

  for (bool expert_parallel : {false, true})  // each rank counts the tokens of all
    on_ranks(checkpoint_, {.ranks = 2, .expert_parallel = expert_parallel}, [&](Session& session) {
      Logits logits = session.text(0, text.ids, 16);
      EXPECT_TRUE(std::ranges::equal(session.expert_load(), alone)) << expert_parallel;
      return logits;
    });
}

TEST_F(SmallDecoder, LogitsOfTextsComeInSteps) {
  const Golden golden = load_golden(std::filesystem::path(TEST_DATA) / "checkpoints" / "deepseek-v3-bf16");
  TokenMatrix texts{2, 33, {}};
  for (std::int64_t i = 0; i < 2; ++i) {
    const auto text = golden.text(i).first(33);
    texts.ids.insert(texts.ids.end(), text.begin(), text.end());
  }
  const Logits logits = logits_of(*decoder_, checkpoint_.config(), limits, queue_, *communicator_, texts);
  ASSERT_EQ(logits.size(), 2u * 33 * 320);
  const std::span expected(golden.logits);
  EXPECT_LE(worst_difference(std::span(logits).first(33 * 320), expected.first(33 * 320)), 2e-4);
  EXPECT_LE(worst_difference(std::span(logits).last(33 * 320), expected.subspan(150 * 320, 33 * 320)), 2e-4);
  EXPECT_TRUE(
      logits_of(*decoder_, checkpoint_.config(), limits, queue_, *communicator_, {0, 33, {}}).empty());
  EXPECT_TRUE(logits_of(*decoder_, checkpoint_.config(), limits, queue_, *communicator_, {2, 0, {}}).empty());
}

TEST_F(SmallDecoder, LogitsRefuseWhatDoesNotFit) {
  const auto refused = [&](const TokenMatrix& texts) {
    return error_of(
        [&] { logits_of(*decoder_, checkpoint_.config(), limits, queue_, *communicator_, texts); });
  };
  EXPECT_NE(refused({1, 65, Tokens(65, 1)}).find("65 tokens are longer than the limit, 64"),
            std::string::npos);
  EXPECT_NE(refused({1, 2, {0, 320}}).find("outside the vocabulary of 320"), std::string::npos);
  EXPECT_NE(refused({1, 2, {-1, 0}}).find("outside the vocabulary of 320"), std::string::npos);
}

}  // namespace
}  // namespace troupe::model
