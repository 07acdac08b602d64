#include "runtime/execution/start_fit.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/device.hpp"
#include "runtime/execution/kv_size.hpp"

namespace troupe::runtime {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr StartSettings asked{256, 8192, 16384};

// Memory as a sum of what each setting takes.
StartFit fit_of(std::int64_t room, std::int64_t of_sequence, std::int64_t of_step_token,
                std::int64_t of_context_token, const StartSettings& settings = asked) {
  return find_start_fit(settings, 16, [=](const StartSettings& s) {
    return s.max_num_seqs * of_sequence + s.max_num_batched_tokens * of_step_token +
               s.max_model_len * of_context_token <=
           room;
  });
}

TEST(StartFit, SequencesAreTriedFirstThenTokensThenTheContext) {
  EXPECT_EQ(fit_of(200, 1, 0, 0).together, (StartSettings{128, 8192, 16384}));
  EXPECT_EQ(fit_of(4096, 0, 1, 0).together, (StartSettings{256, 4096, 16384})) << "what does not help stays";
  EXPECT_EQ(fit_of(9'990, 0, 0, 1).together, (StartSettings{256, 8192, 9'984})) << "whole blocks";
  EXPECT_EQ(fit_of(60, 1, 0, 0).together, (StartSettings{32, 8192, 16384})) << "and again";
  EXPECT_EQ(fit_of(130, 0, 0, 1).together, (StartSettings{256, 8192, 128}));
  EXPECT_EQ(fit_of(1300, 1, 1, 1, {256, 2048, 1024}).together, (StartSettings{64, 512, 720}))
      << "rather than a context of 148";
  EXPECT_FALSE(fit_of(-1, 0, 0, 0).together.known());
}

// Memory may be too short although it should not be: somebody else has taken it meanwhile, or it lies in pieces.
TEST(StartFit, WhatWasTooMuchIsNotTriedAgainAndTryingEnds) {
  const auto always = [](const StartSettings&) { return true; };
  EXPECT_EQ(find_start_fit(asked, 16, always).together, (StartSettings{128, 8192, 16384}));
  EXPECT_EQ(find_start_fit({1, 8192, 16384}, 16, always).together, (StartSettings{1, 4096, 16384}));
  EXPECT_EQ(find_start_fit({1, 1, 16384}, 16, always).together, (StartSettings{1, 1, 8176}));
  int tries = 0;
  for (StartSettings settings = asked; settings.known(); ++tries)
    settings = find_start_fit(settings, 16, always).together;
  EXPECT_LE(tries, 8 + 13 + 10 + 1) << "halvings";
}

TEST(StartFit, OfEachSettingTheLargestThatWouldDoAlone) {
  const StartFit one = fit_of(300 + 16384, 1, 0, 1, {512, 8192, 16384});
  EXPECT_EQ(one.alone, (StartSettings{256, 0, 16160}));
  EXPECT_EQ(fit_of(100, 1, 0, 0).alone, (StartSettings{64, 0, 0}));
  EXPECT_EQ(fit_of(255, 0, 1, 0).alone, (StartSettings{0, 0, 0})) << "a step has a token of every sequence";
  EXPECT_EQ(fit_of(256, 0, 1, 0).alone, (StartSettings{0, 256, 0}));
}

TEST(StartFit, ItsSentenceNamesTheFlags) {
  const std::string all =
      sentence_of({asked, {128, 4096, 9984}, {128, 8192, 16384}}, kernels::CacheType::bf16);
  EXPECT_EQ(
      all,
      "It would start with --max-num-seqs 128, or with --max-num-batched-tokens 4096, or with --max-model-len 9984. "
      "--degrade would take --max-num-seqs 128 --max-num-batched-tokens 8192 --max-model-len 16384.");
  const std::string one = sentence_of({asked, {0, 0, 1024}, {128, 4096, 1024}}, kernels::CacheType::bf16);
  EXPECT_THAT(one, HasSubstr("It would start with --max-model-len 1024 --kv-cache-dtype bf16. "
                             "No --max-num-seqs, no --max-num-batched-tokens alone would do. "));
  EXPECT_EQ(sentence_of({asked, {}, {}}, kernels::CacheType::f32),
            "No --max-num-seqs, no --max-num-batched-tokens, no --max-model-len alone would do. "
            "Nothing would do: the weights alone take too much.");
}

// What it says of the demo model is what kv_size takes and refuses.
TEST(StartFit, ARanksNeedsAreThoseThatItWouldHave) {
  const auto checkpoint = model::Checkpoint::open(DEMO_MODEL);
  const auto ops = kernels::make_ops("cpu", 1);
  const model::DecoderLimits limits{.max_tokens = 2048, .max_logit_rows = 320, .max_positions = 1024};
  const auto needs = model::decoder_memory(checkpoint, *ops, {}, limits);
  const std::size_t sequence = model::cache_bytes_per_token(checkpoint.config(), {}) * 1024;
  const std::size_t limit = ops->memory().limit;
  // All but `spare` bytes are somebody else's.
  const auto fits_with = [&](std::size_t spare, const StartSettings& settings) {
    const RankStart rank{.checkpoint = checkpoint,
                         .ops = *ops,
                         .sharding = {},
                         .limits = limits,
                         .cache = {.memory_utilization = 1},
                         .block_size = 16,
                         .besides = limit - spare};
    return fits(rank, settings);
  };
  const StartSettings full{256, 2048, 1024};
  const std::size_t all = needs.weights + needs.workspace + sequence;
  EXPECT_TRUE(fits_with(all, full));
  EXPECT_FALSE(fits_with(all - 1, full));
  EXPECT_TRUE(fits_with(all - 1, {256, 1024, 1024}));
  EXPECT_TRUE(fits_with(all - 1, {256, 2048, 1008}));
  EXPECT_FALSE(fits_with(needs.weights, {1, 1, 16}));
}

}  // namespace
}  // namespace troupe::runtime
