#include "model/graphs/rope.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace troupe::model {
namespace {

ModelConfig config_with(std::optional<Yarn> yarn) {
  ModelConfig config;
  config.attention = LatentAttentionConfig{.qk_nope_head_dim = 16, .qk_rope_head_dim = 8};
  config.rope_theta = 10000;
  config.yarn = yarn;
  return config;
}

constexpr Yarn yarn{.factor = 8, .original_max_position_embeddings = 64, .mscale = 1, .mscale_all_dim = 1};

TEST(Rope, PlainFrequenciesArePowersOfTheta) {
  const ModelConfig config = config_with({});
  const std::vector<float> expected{1, 0.1f, 0.01f, 0.001f};
  const std::vector<float> frequencies = rope_frequencies(config);
  ASSERT_EQ(frequencies.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_FLOAT_EQ(frequencies[i], expected[i]) << i;
  EXPECT_EQ(rope_amplitude(config), 1);
  EXPECT_FLOAT_EQ(softmax_scale(config), float(1 / std::sqrt(24.0)));
}

TEST(Rope, YarnStretchesSlowPairs) {
  // Pair 0 turns 10 times over 64 positions and stays; pairs 2 and 3 turn less than once and are stretched
  // eightfold; pair 1 lies half way along the ramp from 0 to 2.
  const ModelConfig config = config_with(yarn);
  const std::vector<float> expected{1, 0.1f * (0.5f + 0.5f / 8), 0.01f / 8, 0.001f / 8};
  const std::vector<float> frequencies = rope_frequencies(config);
  ASSERT_EQ(frequencies.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_FLOAT_EQ(frequencies[i], expected[i]) << i;
}

// Pairs that turn 4 times over the original context keep their frequency, those that turn once are stretched.
TEST(Rope, Llama3StretchesSlowPairs) {
  ModelConfig config = config_with({});
  config.llama3 = Llama3Rope{.factor = 8, .original_max_position_embeddings = 128};
  // The pairs turn 20, 2, 0.2 and 0.02 times.
  const double smooth = (128 * 0.1 / (2 * std::numbers::pi) - 1) / 3;
  const std::vector<double> expected{1, 0.1 * smooth + 0.1 / 8 * (1 - smooth), 0.01 / 8, 0.001 / 8};
  const std::vector<float> frequencies = rope_frequencies(config);
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_FLOAT_EQ(frequencies[i], float(expected[i])) << i;
  EXPECT_EQ(rope_amplitude(config), 1);
}

TEST(Rope, YarnScalesAttention) {
  const double mscale = 0.1 * std::log(8.0) + 1;
  ModelConfig config = config_with(yarn);
  EXPECT_EQ(rope_amplitude(config), 1);  // both mscales are equal
  EXPECT_FLOAT_EQ(softmax_scale(config), float(mscale * mscale / std::sqrt(24.0)));

  config.yarn->mscale_all_dim = 0;
  EXPECT_FLOAT_EQ(rope_amplitude(config), float(mscale));
  EXPECT_FLOAT_EQ(softmax_scale(config), float(1 / std::sqrt(24.0)));

  config.yarn->mscale = 0.707;
  config.yarn->mscale_all_dim = 0.5;
  EXPECT_FLOAT_EQ(rope_amplitude(config), float((0.0707 * std::log(8.0) + 1) / (0.05 * std::log(8.0) + 1)));

  config.yarn = yarn;
  config.yarn->factor = 1;  // nothing is stretched
  EXPECT_EQ(rope_amplitude(config), 1);
  EXPECT_FLOAT_EQ(softmax_scale(config), float(1 / std::sqrt(24.0)));
}

TEST(Rope, YarnOfDeepSeekV3) {
  ModelConfig config = config_with(yarn);
  config.attention = LatentAttentionConfig{.qk_nope_head_dim = 128, .qk_rope_head_dim = 64};
  config.yarn->factor = 40;
  config.yarn->original_max_position_embeddings = 4096;
  EXPECT_NEAR(softmax_scale(config), 0.1352337788608801, 1e-8);  // 192^-0.5 * 1.3688879454113936^2
  const std::vector<float> frequencies = rope_frequencies(config);
  // The ramp runs from pair 10 to pair 23.
  EXPECT_FLOAT_EQ(frequencies[10], float(std::pow(10000.0, -20.0 / 64)));
  EXPECT_LT(frequencies[11], float(std::pow(10000.0, -22.0 / 64)) * 0.99f);
  EXPECT_GT(frequencies[22], float(std::pow(10000.0, -44.0 / 64) / 40) * 1.01f);
  EXPECT_FLOAT_EQ(frequencies[23], float(std::pow(10000.0, -46.0 / 64) / 40));
}

TEST(Rope, TableHoldsScaledCosinesAndSines) {
  ModelConfig config = config_with(yarn);
  config.yarn->mscale_all_dim = 0;
  std::vector<float> cosines(200 * 4), sines(200 * 4);
  fill_rope_table(config, {{cosines.data(), kernels::DType::f32, {200, 4}},
                           {sines.data(), kernels::DType::f32, {200, 4}}});
  const float amplitude = rope_amplitude(config);
  ASSERT_GT(amplitude, 1.2f);
  const std::vector<float> frequencies = rope_frequencies(config);
  for (std::size_t position : {0, 1, 63, 199})
    for (std::size_t i = 0; i < 4; ++i) {
      const double angle = double(position) * double(frequencies[i]);
      EXPECT_NEAR(cosines[position * 4 + i], std::cos(angle) * amplitude, 2e-5) << position << " " << i;
      EXPECT_NEAR(sines[position * 4 + i], std::sin(angle) * amplitude, 2e-5) << position << " " << i;
    }
}

}  // namespace
}  // namespace troupe::model
