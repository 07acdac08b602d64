// The formats that checkpoints store numbers in, decoded to F32 exactly. Kernels of every device compute from
// these values, and the loader of a checkpoint turns vectors into them. Any thread; constexpr functions are compiled for
// GPUs, too.
#pragma once

#include <bit>
#include <cstdint>

namespace troupe::kernels {

// IEEE binary16, whose exponent and fraction are one number on a scale that F32 shares but for the bias.
constexpr float decode_f16(std::uint16_t bits) {
  const float magnitude = std::bit_cast<float>(std::uint32_t(bits & 0x7fff) << 13) * 0x1p112f;
  const bool infinite_or_nan = (bits & 0x7c00) == 0x7c00;
  const float value =
      infinite_or_nan ? std::bit_cast<float>(0x7f800000u | std::uint32_t(bits & 0x3ff) << 13) : magnitude;
  return bits & 0x8000 ? -value : value;
}

// The upper half of an F32.
constexpr float decode_bf16(std::uint16_t bits) {
  return std::bit_cast<float>(std::uint32_t(bits) << 16);
}

// The other way round, to nearest even.
constexpr std::uint16_t encode_bf16(float value) {
  if (value != value) return 0x7fc0;
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return std::uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
// More than the largest is the largest. Not for kernels.
constexpr std::uint16_t encode_f16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = std::uint16_t(bits >> 16 & 0x8000);
  const float magnitude = std::bit_cast<float>(bits & 0x7fffffff);
  if (magnitude >= 65504) return sign | 0x7bff;
  // A number of which a half's last place is that of F32's integers: adding it rounds.
  const float least = std::bit_cast<float>((bits & 0x7f800000) + (13u << 23));
  const float place = least > 0.5f ? least : 0.5f;  // 2^-24, a subnormal half's place, is that of 0.5
  const float rounded = (magnitude + place) - place;
  return std::uint16_t(sign | std::bit_cast<std::uint32_t>(rounded * 0x1p-112f) >> 13);
}

// OCP FP8 E4M3 (no infinities) as the upper half of a binary16 shifted by one place, which is 2^-8 of its value,
// subnormal numbers too; the two NaN codes, which the loader refuses, come out as 480 / 256.
constexpr float decode_e4m3_256th(std::uint8_t bits) {
  return decode_f16(std::uint16_t((bits & 0x80) << 8 | (bits & 0x7f) << 7));
}
constexpr float decode_e4m3(std::uint8_t bits) {
  return decode_e4m3_256th(bits) * 256;
}
// The other way round, to nearest even: more than the largest is the largest, what is no number is zero.
constexpr std::uint8_t encode_e4m3(float value) {
  if (value != value) return 0;
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = std::uint8_t(bits >> 24 & 0x80);
  const float magnitude = std::bit_cast<float>(bits & 0x7fffffff);
  if (magnitude >= 448) return sign | 0x7e;
  // As for F16; 2^-9, a subnormal number's place, is that of 2^14.
  const float least = std::bit_cast<float>((bits & 0x7f800000) + (20u << 23));
  const float place = least > 0x1p14f ? least : 0x1p14f;
  const float rounded = (magnitude + place) - place;
  return std::uint8_t(sign | std::bit_cast<std::uint32_t>(rounded * 0x1p-120f) >> 20);
}

// OCP E8M0, a power of two; its NaN, which the loader refuses, comes out as an infinity.
constexpr float decode_e8m0(std::uint8_t bits) {
  return std::bit_cast<float>(bits == 0 ? 1u << 22 : std::uint32_t(bits) << 23);
}

}  // namespace troupe::kernels
