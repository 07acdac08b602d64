// Blocks of quantised types as ggml's dequantize_row_* walk through them, in the order of the columns; what
// kernels/block_formats.hpp says in another way; and those of types that folders are repacked into. Files of tests/data hold
// both to values of gguf-py (block_formats.txt) and numpy (packed_formats.txt).
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "kernels/tensor.hpp"

namespace troupe::kernels {

constexpr DType ggml_types[] = {DType::q8_0, DType::q4_0, DType::q4_1, DType::q5_0, DType::q5_1,  DType::q2_k,
                                DType::q3_k, DType::q4_k, DType::q5_k, DType::q6_k, DType::iq4_nl};
constexpr DType repacked_types[] = {DType::i4_32,   DType::i4_128, DType::i8_32, DType::i8_128,
                                    DType::i4_bf16, DType::mxfp4,  DType::nvfp4, DType::nf4};

// Where in a block the F16s are.
inline std::vector<std::size_t> halves_of(DType type) {
  switch (type) {
    case DType::q4_1:
    case DType::q5_1:
    case DType::q4_k:
    case DType::q5_k:
      return {0, 2};
    case DType::q2_k:
      return {80, 82};
    case DType::q3_k:
      return {108};
    case DType::q6_k:
      return {208};
    case DType::i4_32:
    case DType::i4_128:
    case DType::i8_32:
    case DType::i8_128:
    case DType::i4_bf16:
    case DType::mxfp4:
    case DType::nvfp4:
    case DType::nf4:
      return {};
    default:
      return {0};
  }
}

inline float half_at(const std::uint8_t* at) {
  const int bits = at[0] | at[1] << 8, exponent = bits >> 10 & 31, fraction = bits & 1023;
  const double size = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
  return float(bits & 0x8000 ? -size : size);
}

inline void dequantise_small(DType type, const std::uint8_t* block, float* out) {
  const float d = half_at(block), m = half_at(block + 2);
  for (int j = 0; j < 32; ++j) {
    const auto nibble = [&](int first) {
      return j < 16 ? block[first + j] & 15 : block[first + j - 16] >> 4;
    };
    const auto fifth = [&](int first) {
      std::uint32_t bits;
      std::memcpy(&bits, block + first, 4);
      return int(bits >> j & 1) << 4;
    };
    constexpr int table[]{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
    switch (type) {
      case DType::q8_0:
        out[j] = float(std::int8_t(block[2 + j])) * d;
        break;
      case DType::q4_0:
        out[j] = float(nibble(2) - 8) * d;
        break;
      case DType::q4_1: {
        const float product = float(nibble(4)) * d;
        out[j] = product + m;
        break;
      }
      case DType::q5_0:
        out[j] = float((nibble(6) | fifth(2)) - 16) * d;
        break;
      case DType::q5_1: {
        const float product = float(nibble(8) | fifth(4)) * d;
        out[j] = product + m;
        break;
      }
      default:
        out[j] = d * float(table[nibble(2)]);
    }
  }
}

// Scale and minimum j of Q4_K's and Q5_K's eight.
inline void scale_and_minimum(int j, const std::uint8_t* q, int& scale, int& minimum) {
  scale = j < 4 ? q[j] & 63 : (q[j + 4] & 15) | (q[j - 4] >> 6) << 4;
  minimum = j < 4 ? q[j + 4] & 63 : q[j + 4] >> 4 | (q[j] >> 6) << 4;
}

inline void dequantise_q2_k(const std::uint8_t* block, float* out) {
  const float d = half_at(block + 80), least = half_at(block + 82);
  for (int group = 0; group < 16; ++group) {
    const float step = d * float(block[group] & 15), minimum = least * float(block[group] >> 4);
    for (int i = 0; i < 16; ++i) {
      const float product =
          step * float(block[16 + group / 8 * 32 + group % 2 * 16 + i] >> group % 8 / 2 * 2 & 3);
      *out++ = product - minimum;
    }
  }
}

inline void dequantise_q3_k(const std::uint8_t* block, float* out) {
  const std::uint8_t* const packed = block + 96;
  int scales[16];
  for (int i = 0; i < 4; ++i) {
    scales[i] = (packed[i] & 15) | (packed[8 + i] & 3) << 4;
    scales[4 + i] = (packed[4 + i] & 15) | (packed[8 + i] >> 2 & 3) << 4;
    scales[8 + i] = packed[i] >> 4 | (packed[8 + i] >> 4 & 3) << 4;
    scales[12 + i] = packed[4 + i] >> 4 | (packed[8 + i] >> 6) << 4;
  }
  const float d = half_at(block + 108);
  for (int half = 0, group = 0; half < 2; ++half)
    for (int shift = 0; shift < 8; shift += 2)
      for (int l = 0; l < 32; ++l) {
        if (l == 16) ++group;
        const float step = d * float(scales[group] - 32);
        const int high = block[l] >> (4 * half + shift / 2) & 1 ? 0 : 4;
        *out++ = step * float((block[32 + 32 * half + l] >> shift & 3) - high);
        if (l == 31) ++group;
      }
}

inline void dequantise_q4_or_q5_k(DType type, const std::uint8_t* block, float* out) {
  const float d = half_at(block), least = half_at(block + 2);
  const std::uint8_t* const low = block + (type == DType::q4_k ? 16 : 48);
  for (int j = 0; j < 8; ++j) {
    int scale, minimum;
    scale_and_minimum(j, block + 4, scale, minimum);
    const float step = d * float(scale), subtracted = least * float(minimum);
    for (int l = 0; l < 32; ++l) {
      const int byte = low[j / 2 * 32 + l];
      int code = j % 2 == 0 ? byte & 15 : byte >> 4;
      if (type == DType::q5_k) code += block[16 + l] & 1 << j ? 16 : 0;
      const float product = step * float(code);
      *out++ = product - subtracted;
    }
  }
}

inline void dequantise_q6_k(const std::uint8_t* block, float* out) {
  const float d = half_at(block + 208);
  for (int half = 0; half < 2; ++half) {
    const std::uint8_t *low = block + 64 * half, *high = block + 128 + 32 * half,
                       *scales = block + 192 + 8 * half;
    for (int l = 0; l < 32; ++l) {
      const int codes[]{(low[l] & 15) | (high[l] & 3) << 4, (low[l + 32] & 15) | (high[l] >> 2 & 3) << 4,
                        low[l] >> 4 | (high[l] >> 4 & 3) << 4, low[l + 32] >> 4 | high[l] >> 6 << 4};
      for (int j = 0; j < 4; ++j) {
        const float step = d * float(std::int8_t(scales[l / 16 + 2 * j]));
        out[128 * half + 32 * j + l] = step * float(codes[j] - 32);
      }
    }
  }
}

// Integers of so many bits, in pieces of 32 columns of which a byte has two that are 16 apart; 8 bits, less 128.
inline void dequantise_integers(int bits, int columns, const std::uint8_t* block, float* out) {
  float step;
  std::memcpy(&step, block, 4);
  const int less = bits == 8 ? 128 : 0, zero = (block[4] + less) % 256;
  for (int c = 0; c < columns; ++c) {
    const int place = bits == 8 ? c : c / 32 * 16 + c % 16;
    const int code = bits == 8 ? (block[5 + place] + less) % 256 : block[5 + place] >> c % 32 / 16 * 4 & 15;
    out[c] = step * float(code - zero);
  }
}

// 32 columns with a number of four bits each.
inline void dequantise_floats(DType type, const std::uint8_t* block, float* out) {
  constexpr float e2m1[]{0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
  for (int c = 0; c < 32; ++c) {
    const int code = block[(type == DType::mxfp4 ? 1 : 2) + c % 16] >> c / 16 * 4 & 15;
    const float number = code < 8 ? e2m1[code] : -e2m1[code - 8];
    if (type == DType::i4_bf16) {
      const std::uint32_t bits = std::uint32_t(block[0]) << 16 | std::uint32_t(block[1]) << 24;
      float step;
      std::memcpy(&step, &bits, 4);
      out[c] = step * float(code - 8);
    } else if (type == DType::mxfp4) {
      out[c] = std::ldexp(number, block[0] - 127);
    } else {
      const int scale = block[c / 16], exponent = scale >> 3 & 15, fraction = scale & 7;
      const float size =
          exponent == 0 ? std::ldexp(float(fraction), -9) : std::ldexp(float(8 + fraction), exponent - 10);
      out[c] = (scale & 128 ? -size : size) * number;
    }
  }
}

inline void dequantise_nf4(const std::uint8_t* block, float* out) {
  constexpr float table[]{-1.0f,
                          -0.6961928009986877f,
                          -0.5250730514526367f,
                          -0.39491748809814453f,
                          -0.28444138169288635f,
                          -0.18477343022823334f,
                          -0.09105003625154495f,
                          0.0f,
                          0.07958029955625534f,
                          0.16093020141124725f,
                          0.24611230194568634f,
                          0.33791524171829224f,
                          0.44070982933044434f,
                          0.5626170039176941f,
                          0.7229568362236023f,
                          1.0f};
  float step;
  std::memcpy(&step, block, 4);
  for (int c = 0; c < 64; ++c) out[c] = step * table[block[4 + c / 32 * 16 + c % 16] >> c % 32 / 16 * 4 & 15];
}

// One block: storage_unit(type).columns values; NVFP4's without the scale of the matrix.
inline void dequantise_block(DType type, const std::uint8_t* block, float* out) {
  switch (type) {
    case DType::q2_k:
      return dequantise_q2_k(block, out);
    case DType::q3_k:
      return dequantise_q3_k(block, out);
    case DType::q4_k:
    case DType::q5_k:
      return dequantise_q4_or_q5_k(type, block, out);
    case DType::q6_k:
      return dequantise_q6_k(block, out);
    case DType::i4_32:
      return dequantise_integers(4, 32, block, out);
    case DType::i4_128:
      return dequantise_integers(4, 128, block, out);
    case DType::i8_32:
      return dequantise_integers(8, 32, block, out);
    case DType::i8_128:
      return dequantise_integers(8, 128, block, out);
    case DType::i4_bf16:
    case DType::mxfp4:
    case DType::nvfp4:
      return dequantise_floats(type, block, out);
    case DType::nf4:
      return dequantise_nf4(block, out);
    default:
      return dequantise_small(type, block, out);
  }
}

}  // namespace troupe::kernels
