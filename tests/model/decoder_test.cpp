#include "model/decoder.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "model/graphs/logits.hpp"
#include "tests/model/checkpoint/checkpoint_folder.hpp"
#include "tests/model/graphs/decoder_session.hpp"

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
    for (auto [tensor, data] : {std::pair{1, 1}, {2, 1}, {4, 1}, {1, 8}, {2, 4}, {4, 2}})
      EXPECT_EQ(refusal(small_model(), {.rank = tensor * data - 1,
                                        .tensor_parallel = tensor,
                                        .data_parallel = data,
                                        .expert_parallel = expert_parallel}),
                "");
  EXPECT_EQ(refusal(small_model(), {.virtual_shards = 256}), "");
  EXPECT_EQ(refusal(small_model(), {.tensor_parallel = 4,
                                    .data_parallel = 2,
                                    .expert_parallel = true,
                                    .virtual_shards = 4,
                                    .expert_shards = 1}),
            "");
}

TEST(CheckPlan, RefusesWithTheNumbers) {
  const ModelConfig config = small_model();
  EXPECT_EQ(refusal(config, {.tensor_parallel = 3}), "3 tensor-parallel ranks: must be a power of two");
  EXPECT_EQ(refusal(config, {.tensor_parallel = 0}), "0 tensor-parallel ranks: must be a power of two");
  EXPECT_EQ(refusal(config, {.data_parallel = 6}), "6 data-parallel groups: must be a power of two");
  EXPECT_EQ(refusal(config, {.data_parallel = -1}), "-1 data-parallel groups: must be a power of two");
  EXPECT_EQ(refusal(config, {.rank = 2, .tensor_parallel = 2}), "rank 2 is not among 2 ranks");
  EXPECT_EQ(refusal(config, {.rank = 8, .tensor_parallel = 2, .data_parallel = 4}),
            "rank 8 is not among 8 ranks");
  EXPECT_EQ(refusal(config, {.rank = -1}), "rank -1 is not among 1 rank");
  EXPECT_EQ(refusal(config, {.virtual_shards = 12}),
            "12 virtual shards: must be a power of two, at most 256");
  EXPECT_EQ(refusal(config, {.virtual_shards = 512}),
            "512 virtual shards: must be a power of two, at most 256");
  EXPECT_EQ(refusal(config, {.tensor_parallel = 4, .data_parallel = 2, .virtual_shards = 4}),
            "8 ranks are more than the 4 virtual shards");
  EXPECT_EQ(refusal(config, {.tensor_parallel = 1 << 30, .data_parallel = 1 << 30}),
            "1152921504606846976 ranks are more than the 16 virtual shards");
  EXPECT_EQ(refusal(config, {.tensor_parallel = 4, .virtual_shards = 2, .expert_shards = 4}),
            "4 ranks are more than the 2 virtual shards");
  EXPECT_EQ(refusal(config, {.data_parallel = 4, .expert_shards = 2}),
            "4 ranks are more than the 2 shards of an expert");
  EXPECT_EQ(refusal(config, {.expert_shards = 3}),
            "3 shards of an expert: must be a power of two, at most 256");
  EXPECT_EQ(refusal(config, {.tensor_parallel = 8}), "4 attention heads cannot be split evenly over 8 ranks");
}

TEST(CheckPlan, RefusesModelsThatAreTooSmall) {
  ModelConfig config = small_model();
  config.num_attention_heads = 16;
  const auto over = [&](int tensor, int data, bool expert_parallel) {
    return refusal(config,
                   {.tensor_parallel = tensor, .data_parallel = data, .expert_parallel = expert_parallel});
  };
  EXPECT_EQ(over(16, 1, true), "8 experts cannot be spread over 16 ranks");
  EXPECT_EQ(over(4, 4, true), "8 experts cannot be spread over 16 ranks");
  EXPECT_EQ(over(16, 1, false), "");
  EXPECT_EQ(over(4, 4, false), "");
  // Routed experts are split over all ranks, or not at all; the rest is split over those of a group.
  config.moe_intermediate_size = 15;
  EXPECT_EQ(over(4, 4, false), "16 ranks are more than the 15 columns of moe_intermediate_size");
  config.moe_intermediate_size = 3;
  EXPECT_EQ(over(8, 1, true), "8 ranks are more than the " + std::to_string(3 * config.n_shared_experts) +
                                  " columns of the shared experts");
  EXPECT_EQ(over(1, 8, true), "");
  config.intermediate_size = 6;
  EXPECT_EQ(over(8, 1, true), "8 ranks are more than the 6 columns of intermediate_size");
  EXPECT_EQ(over(1, 8, true), "");
}

class SmallDecoder : public ::testing::Test {
 protected:
  static constexpr DecoderLimits limits{.max_tokens = 24, .max_logit_rows = 10, .max_positions = 64};

  Checkpoint checkpoint_ =
      Checkpoint::open(std::filesystem::path(TEST_DATA) / "checkpoints" / "deepseek-v3-bf16");
  std::unique_ptr<kernels::Ops> ops_ = kernels::make_cpu_ops(1);
  std::unique_ptr<transport::Communicator> communicator_ = transport::ThreadsMesh(1).communicator(0);
  transport::Communicators communicators_{*communicator_, *communicator_};
  std::unique_ptr<Decoder> decoder_ = load_decoder(checkpoint_, *ops_, {}, limits);
  kernels::ImmediateQueue queue_;
};

TEST_F(SmallDecoder, RefusesAnImpossiblePlan) {
  const std::string error =
      error_of([&] { load_decoder(checkpoint_, *ops_, {.tensor_parallel = 8}, limits); });
  EXPECT_NE(error.find("4 attention heads cannot be split evenly over 8 ranks"), std::string::npos) << error;
}

TEST_F(SmallDecoder, RefusesMorePositionsThanAnglesAreComputedFor) {
  const std::string error =
      error_of([&] { load_decoder(checkpoint_, *ops_, {}, {.max_tokens = 1, .max_positions = 1'000'001}); });
  EXPECT_NE(error.find("1000001 tokens are over the limit, 1000000"), std::string::npos) << error;
}

TEST_F(SmallDecoder, RefusesToPredictWithoutALayer) {
  EXPECT_FALSE(decoder_->can_predict());
  const std::string error = error_of([&] { load_decoder(checkpoint_, *ops_, {}, {.prediction = true}); });
  EXPECT_NE(error.find("no whole prediction layer: of model.layers.3.eh_proj.weight, enorm.weight"),
            std::string::npos)
      << error;
}

TEST(PredictingDecoder, HasALayerMoreInItsCache) {
  const Checkpoint checkpoint = Checkpoint::open(DEMO_MODEL);
  const ModelConfig& config = checkpoint.config();
  EXPECT_EQ(cache_bytes_per_token(config, {}), 5u * (64 + 16) * 4);
  EXPECT_EQ(cache_bytes_per_token(config, {}, true), 6u * (64 + 16) * 4);
  const auto ops = kernels::make_cpu_ops(1);
  const auto decoder = load_decoder(checkpoint, *ops, {}, {.prediction = true});
  EXPECT_TRUE(decoder->can_predict());
  KvCache cache = decoder->make_cache(3, 4);
  ASSERT_EQ(cache.layers.size(), 6u);
  cache.poison();
  const kernels::Tensor& last = cache.layers.back().data;
  EXPECT_TRUE(std::isnan(last.as<float>()[last.elements() - 1]));
}

TEST(PredictingDecoderDeathTest, GoesOnFromRowsOfTheLastCallAlone) {
  const Checkpoint checkpoint = Checkpoint::open(DEMO_MODEL);
  const auto run = [&](bool prediction, std::int32_t row) {
    SessionOptions options;
    options.limits.prediction = prediction;
    on_ranks(checkpoint, options, [&](Session& session) {
      session.step({{0, {3, 4}}});
      session.predict({{0, 1, {5}, {row}}});
      return session.predict({{0, 2, {6}, {row}}});
    });
  };
  run(true, 0);
  EXPECT_DEATH(run(true, 1), "row outside the last call's");
  EXPECT_DEATH(run(false, 0), "the prediction layer was not loaded");
}

TEST_F(SmallDecoder, CacheHoldsLatentsOfAllLayers) {
  EXPECT_EQ(cache_bytes_per_token(checkpoint_.config(), {}), 3u * (32 + 8) * 4);
  KvCache cache = decoder_->make_cache(5, 4);
  ASSERT_EQ(cache.layers.size(), 3u);
  for (const kernels::LayerCache& layer : cache.layers) {
    EXPECT_EQ(layer.data.shape(0), 5);
    EXPECT_EQ(layer.block_size(), 4);
    EXPECT_EQ(layer.data.shape(2), 40);
    EXPECT_EQ(layer.data.as<float>()[5 * 4 * 40 - 1], 0);
  }
  EXPECT_EQ(cache.layers[1].data.as<float>(), cache.layers[0].data.as<float>() + 5 * 4 * 40);
}

TEST_F(SmallDecoder, CacheHasItsTypesSize) {
  using kernels::CacheType;
  const ModelConfig& config = checkpoint_.config();
  EXPECT_EQ(cache_bytes_per_token(config, {}, false, CacheType::bf16), 3u * (32 + 8) * 2);
  EXPECT_EQ(cache_bytes_per_token(config, {}, false, CacheType::fp8), 3u * (32 + 4 + 8 * 2));
  for (const CacheType type : {CacheType::f32, CacheType::bf16, CacheType::fp8}) {
    DecoderLimits limits_of_type = limits;
    limits_of_type.cache_type = type;
    const KvCache cache = load_decoder(checkpoint_, *ops_, {}, limits_of_type)->make_cache(5, 4);
    std::size_t bytes = 0;
    for (const kernels::LayerCache& layer : cache.layers) bytes += layer.data.bytes();
    EXPECT_EQ(bytes, cache_bytes_per_token(config, {}, false, type) * 5 * 4) << name_of(type);
  }
}

class PoisonedCache : public SmallDecoder, public ::testing::WithParamInterface<kernels::CacheType> {};

TEST_P(PoisonedCache, IsFoundOutByItsReaders) {
  DecoderLimits limits_of_type = limits;
  limits_of_type.cache_type = GetParam();
  decoder_ = load_decoder(checkpoint_, *ops_, {}, limits_of_type);
  KvCache cache = decoder_->make_cache(4, 4);
  const std::vector<BlockId> blocks{0, 1};
  const auto logits_at = [&](std::int64_t first, const Tokens& tokens) {
    const kernels::StepLayout layout{
        .tokens = std::int64_t(tokens.size()),
        .sequences = {{.rows = std::int64_t(tokens.size()), .first_position = first, .blocks = blocks}}};
    const std::vector<std::int32_t> last{std::int32_t(tokens.size()) - 1};
    return decoder_->forward(queue_, communicators_, {tokens, layout, last}, cache).as<float>()[0];
  };
  EXPECT_TRUE(std::isfinite(logits_at(0, {1, 2, 3})));
  EXPECT_TRUE(std::isfinite(logits_at(3, {4})));
  cache.poison();
  EXPECT_TRUE(std::isnan(logits_at(4, {5})));
  EXPECT_TRUE(std::isfinite(logits_at(0, {1, 2, 3})));  // writes before it reads
}

INSTANTIATE_TEST_SUITE_P(All, PoisonedCache,
                         ::testing::Values(kernels::CacheType::f32, kernels::CacheType::bf16,
                                           kernels::CacheType::fp8),
                         [](const auto& info) { return std::string(name_of(info.param)); });

TEST_F(SmallDecoder, RefusesPlacementsThatDoNotFit) {
  const auto refusal = [](Decoder& decoder, const transport::ExpertPlacement& placement) -> std::string {
    const auto placed = decoder.place(placement);
    return placed ? "" : placed.error().message;
  };
  const std::int64_t experts = checkpoint_.config().n_routed_experts;
  const auto fitting = transport::ExpertPlacement::spread(experts, 1);
  EXPECT_EQ(refusal(*decoder_, fitting),
            "every rank has a part of each expert: only expert parallelism places them");
  const auto parallel = load_decoder(checkpoint_, *ops_, {.expert_parallel = true}, limits);
  EXPECT_EQ(refusal(*parallel, fitting), "");
  EXPECT_EQ(refusal(*parallel, transport::ExpertPlacement::spread(experts, 2)),
            "expert " + std::to_string(experts / 2) + " is on rank 1, which is not among 1");
  EXPECT_EQ(refusal(*parallel, transport::ExpertPlacement::spread(experts - 1, 1)),
            "a placement of " + std::to_string(experts - 1) + " experts, not of " + std::to_string(experts));
}

TEST_F(SmallDecoder, WritesItsLayersAndLoadingToTheBoard) {
  TickBoard board;
  const auto decoder = load_decoder(checkpoint_, *ops_, {}, limits, {.ticks = &board});
  EXPECT_GT(board.loaded_bytes, 0u);
  EXPECT_EQ(board.activity, Activity::idle);
  // A communicator that looks at the board when it is called.
  struct Observer final : transport::Communicator {
    Observer(transport::Communicator& inner, TickBoard& board) : inner(inner), board(board) {}
    int rank() const override { return inner.rank(); }
    int size() const override { return inner.size(); }
    void all_reduce(kernels::Queue& queue, kernels::Tensor x) override {
      layers.push_back(board.read().layer);
      inner.all_reduce(queue, x);
    }
    void all_gather(kernels::Queue& queue, const kernels::Tensor& mine, kernels::Tensor all) override {
      layers.push_back(board.read().layer);
      inner.all_gather(queue, mine, all);
    }
    void dispatch(kernels::Queue&, const kernels::Tensor&, const kernels::Routing&,
                  const transport::ExpertPlacement&, kernels::ExpertBatch&) override {}
    void combine(kernels::Queue&, const kernels::Tensor&, kernels::Tensor) override {}
    void check() override {}
    void abort() noexcept override {}
    transport::Communicator& inner;
    TickBoard& board;
    std::vector<std::int32_t> layers;
  } observer(*communicator_, board);
  KvCache cache = decoder->make_cache(1, 4);
  const std::vector<BlockId> blocks{0};
  const Tokens tokens{1};
  const kernels::StepLayout layout{.tokens = 1, .sequences = {{.rows = 1, .blocks = blocks}}};
  const std::vector<std::int32_t> wanted{0};
  decoder->forward(queue_, {observer, observer}, {tokens, layout, wanted}, cache);
  // The embedding, each layer's attention and feed-forward (one has experts and shared ones), the logits.
  EXPECT_EQ(observer.layers, (std::vector<std::int32_t>{-1, 0, 0, 1, 1, 1, 2, 2, 2, -1}));
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
  const kernels::Tensor logits = decoder_->forward(queue_, communicators_, {tokens, layout, wanted}, cache);
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
  logits_of(*decoder_, config, limits, queue_, communicators_, text);
  const std::span alone = decoder_->expert_load();
  EXPECT_EQ(total(alone), 40 * config.num_experts_per_tok * moe_layers);
  EXPECT_GT(std::ranges::count_if(alone, [](std::int64_t tokens) { return tokens > 0; }),
            config.num_experts_per_tok);

  for (bool expert_parallel : {false, true})  // each rank counts the tokens of all
    on_ranks(checkpoint_, {.tensor_parallel = 2, .expert_parallel = expert_parallel}, [&](Session& session) {
      Logits logits = session.text(0, text.ids, 16);
      EXPECT_TRUE(std::ranges::equal(session.decoder().expert_load(), alone)) << expert_parallel;
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
  const Logits logits = logits_of(*decoder_, checkpoint_.config(), limits, queue_, communicators_, texts);
  ASSERT_EQ(logits.size(), 2u * 33 * 320);
  const std::span expected(golden.logits);
  EXPECT_LE(worst_difference(std::span(logits).first(33 * 320), expected.first(33 * 320)), 2e-4);
  EXPECT_LE(worst_difference(std::span(logits).last(33 * 320), expected.subspan(150 * 320, 33 * 320)), 2e-4);
  EXPECT_TRUE(
      logits_of(*decoder_, checkpoint_.config(), limits, queue_, communicators_, {0, 33, {}}).empty());
  EXPECT_TRUE(logits_of(*decoder_, checkpoint_.config(), limits, queue_, communicators_, {2, 0, {}}).empty());
}

TEST_F(SmallDecoder, LogitsRefuseWhatDoesNotFit) {
  const auto refused = [&](const TokenMatrix& texts) {
    return error_of(
        [&] { logits_of(*decoder_, checkpoint_.config(), limits, queue_, communicators_, texts); });
  };
  EXPECT_NE(refused({1, 65, Tokens(65, 1)}).find("65 tokens are longer than the limit, 64"),
            std::string::npos);
  EXPECT_NE(refused({1, 2, {0, 320}}).find("outside the vocabulary of 320"), std::string::npos);
  EXPECT_NE(refused({1, 2, {-1, 0}}).find("outside the vocabulary of 320"), std::string::npos);
}

}  // namespace
}  // namespace troupe::model
