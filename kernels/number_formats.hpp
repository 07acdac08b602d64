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

// OCP FP8 E4M3 (no infinities) as the upper half of a binary16 shifted by one place, which is 2^-8 of its value,
// subnormal numbers too; the two NaN codes, which the loader refuses, come out as 480 / 256.
constexpr float decode_e4m3_256th(std::uint8_t bits) {
  return decode_f16(std::uint16_t((bits & 0x80) << 8 | (bits & 0x7f) << 7));
}
constexpr float decode_e4m3(std::uint8_t bits) {
  return decode_e4m3_256th(bits) * 256;
}

}  // namespace troupe::kernels
