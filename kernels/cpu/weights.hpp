// Single weights as F32, by the format of the checkpoint. Thread-safe.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "kernels/tensor.hpp"

namespace troupe::kernels {

// IEEE binary16, whose exponent and fraction are one number on a scale that F32 shares but for the bias.
inline float decode_f16(std::uint16_t bits) {
  const float magnitude = std::bit_cast<float>(std::uint32_t(bits & 0x7fff) << 13) * 0x1p112f;
  const bool infinite_or_nan = (bits & 0x7c00) == 0x7c00;
  const float value =
      infinite_or_nan ? std::bit_cast<float>(0x7f800000u | std::uint32_t(bits & 0x3ff) << 13) : magnitude;
  return bits & 0x8000 ? -value : value;
}

inline float decode_bf16(std::uint16_t bits) {
  return std::bit_cast<float>(std::uint32_t(bits) << 16);
}

// OCP FP8 E4M3 (no infinities). As the upper half of a binary16 shifted by one place it is 2^-8 of its value,
// subnormal numbers too; the two NaN codes, which the loader refuses, come out as 480.
inline float decode_e4m3(std::uint8_t bits) {
  return decode_f16(std::uint16_t((bits & 0x80) << 8 | (bits & 0x7f) << 7)) * 256;
}

// Where the scale of an FP8 weight's element stands.
inline const float& scale_at(const Weight& w, std::int64_t row, std::int64_t column) {
  return w.scales[(w.row0 + row) / w.block_rows * w.scale_stride + (w.col0 + column) / w.block_cols];
}

inline const std::byte* element_at(const Weight& w, std::int64_t row, std::int64_t column) {
  return static_cast<const std::byte*>(w.data) + std::size_t(row * w.cols + column) * size_of(w.dtype);
}

// Value times scale, rounded once.
inline float dequantise(const Weight& w, std::int64_t row, std::int64_t column) {
  const std::byte* at = element_at(w, row, column);
  if (w.dtype == DType::f8_e4m3) return decode_e4m3(std::uint8_t(*at)) * scale_at(w, row, column);
  if (w.dtype == DType::f32) {
    float value;
    std::memcpy(&value, at, sizeof value);
    return value;
  }
  std::uint16_t half;
  std::memcpy(&half, at, sizeof half);
  return w.dtype == DType::bf16 ? decode_bf16(half) : decode_f16(half);
}

// A weight that no kernel can read is a broken invariant.
inline void check_weight(const Weight& w) {
  const bool fp8 = w.dtype == DType::f8_e4m3;
  CHECK(w.rows >= 0 && w.cols >= 0 && w.row0 >= 0 && w.col0 >= 0, "weight of negative extent");
  CHECK(w.data != nullptr || w.rows * w.cols == 0, "weight without data");
  CHECK(fp8 || w.dtype == DType::f32 || w.dtype == DType::f16 || w.dtype == DType::bf16,
        "weight of a strange type");
  CHECK(!fp8 || (w.block_rows > 0 && w.block_cols > 0), "FP8 weight without blocks");
  CHECK(!fp8 || w.scales != nullptr || w.rows * w.cols == 0, "FP8 weight without scales");
}

}  // namespace troupe::kernels
