#include "model/gguf/quantise.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "kernels/number_formats.hpp"
#include "model/checkpoint/stored_tensor.hpp"
#include "tests/kernels/dequantised_blocks.hpp"

namespace troupe::model {
namespace {

using kernels::DType;

std::vector<float> normal_weights(std::size_t n, unsigned seed) {
  std::mt19937 bits(seed);
  std::vector<float> weights(n);
  for (float& weight : weights) {
    weight = 0;
    for (int i = 0; i < 12; ++i) weight += float(bits() >> 8) * 0x1p-24f;  // the sum of many is nearly normal
    weight = (weight - 6) * 0.02f;
  }
  return weights;
}

std::vector<float> there_and_back(DType type, const std::vector<float>& weights) {
  std::vector<std::byte> bytes(kernels::row_bytes(type, std::int64_t(weights.size())));
  quantise(type, weights, bytes);
  std::vector<float> back(weights.size());
  dequantise(type, bytes, back);
  return back;
}

// Of the weights' own size.
double relative_error(const std::vector<float>& weights, const std::vector<float>& back) {
  double off = 0, size = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    off += std::pow(double(back[i]) - weights[i], 2);
    size += std::pow(double(weights[i]), 2);
  }
  return std::sqrt(off / size);
}

TEST(Quantise, ErrorsAreAsSmallAsTheTypesAllow) {
  const std::pair<DType, double> most[] = {
      {DType::f32, 0},      {DType::f16, 3e-4},   {DType::bf16, 3e-3}, {DType::q8_0, 0.007},
      {DType::q4_0, 0.10},  {DType::q4_1, 0.09},  {DType::q5_0, 0.05}, {DType::q5_1, 0.045},
      {DType::q2_k, 0.4},   {DType::q3_k, 0.19},  {DType::q4_k, 0.1},  {DType::q5_k, 0.045},
      {DType::q6_k, 0.025}, {DType::iq4_nl, 0.1},
  };
  const auto weights = normal_weights(64 * 256, 1);
  for (const auto& [type, limit] : most)
    EXPECT_LE(relative_error(weights, there_and_back(type, weights)), limit) << type_name(type);
}

TEST(Quantise, ZeroesStayZeroes) {
  const std::vector<float> zeroes(512);
  for (const DType type : kernels::ggml_types)
    EXPECT_EQ(there_and_back(type, zeroes), zeroes) << type_name(type);
}

TEST(Quantise, WhatIsWhollyPositiveOrNegativeIsKept) {
  for (const float sign : {-1.0f, 1.0f}) {
    std::vector<float> weights = normal_weights(512, 2);
    for (float& weight : weights) weight = sign * (std::abs(weight) + 0.01f);
    for (const DType type : kernels::ggml_types)
      EXPECT_LE(relative_error(weights, there_and_back(type, weights)), 0.3) << type_name(type);
  }
}

RC_GTEST_PROP(Quantise, AnyFiniteWeightsGiveFiniteOnes, ()) {
  const DType type =
      *rc::gen::elementOf(std::vector<DType>(std::begin(kernels::ggml_types), std::end(kernels::ggml_types)));
  std::vector<float> weights(256);
  const int exponent = *rc::gen::inRange(-140, 20);
  for (float& weight : weights) weight = std::ldexp(float(*rc::gen::inRange(-1000, 1000)) / 1000, exponent);
  for (const float back : there_and_back(type, weights)) RC_ASSERT(std::isfinite(back));
}

TEST(NumberFormats, EveryHalfComesBack) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = std::uint16_t(bits);
    if ((half & 0x7c00) == 0x7c00) continue;
    ASSERT_EQ(kernels::encode_f16(kernels::decode_f16(half)), half) << bits;
  }
  EXPECT_EQ(kernels::encode_f16(1 + 0x1p-11f), 0x3c00);      // to even
  EXPECT_EQ(kernels::encode_f16(1 + 3 * 0x1p-11f), 0x3c02);  // to even
  EXPECT_EQ(kernels::encode_f16(1 + 0x1p-11f + 0x1p-20f), 0x3c01);
  EXPECT_EQ(kernels::encode_f16(0x1p-25f), 0);
  EXPECT_EQ(kernels::encode_f16(-0x1.8p-25f), 0x8001);
  EXPECT_EQ(kernels::encode_f16(1e9f), 0x7bff);
  EXPECT_EQ(kernels::encode_bf16(1 + 0x1p-8f), 0x3f80);
  EXPECT_EQ(kernels::encode_bf16(-1 - 3 * 0x1p-8f), 0xbf82);
}

}  // namespace
}  // namespace troupe::model
