// The quantised types that a block of columns of a row is stored in (GGUF's; names and bytes are those of ggml's
// ggml-common.h, values those of its dequantize_row_* functions): a weight is step * code, or step * code + minimum, where
// step and minimum are those of 16 columns. step * code is exact in F32 for every type, so that a weight is rounded at
// most once, and is the same whether that is fused or not.
//
// Here stands where in a block the bits of a code are; who decodes reads them one by one (Block, below, and kernels of
// GPUs) or for 16 rows at a time (cpu/weights-inl.hpp). Any thread; constexpr functions are compiled for GPUs, too.
#pragma once

#include <cstdint>

#include "kernels/number_formats.hpp"
#include "kernels/panels.hpp"

namespace troupe::kernels {

constexpr int group_columns = 16;  // that share step and minimum

// A small integer: some bits of one byte, more significant ones of another; as a signed byte, less some number.
struct Code {
  int byte = 0, shift = 0, mask = 0xff;
  int high_byte = 0, high_shift = 0, high_mask = 0, high_place = 0;
  int less = 0;
};

// Of a column of a block.
constexpr Code code_at(DType type, int column) {
  const int half = column / 128, in_32 = column % 32, of_32 = column / 32;
  const int nibble = column / 16 * 4, quarter = of_32 % 4 * 2;
  switch (type) {
    case DType::q8_0:
      return {.byte = 2 + column};
    case DType::q4_0:
      return {.byte = 2 + column % 16, .shift = nibble, .mask = 15, .less = 8};
    case DType::q4_1:
      return {.byte = 4 + column % 16, .shift = nibble, .mask = 15};
    case DType::iq4_nl:  // an index of iq4_nl_code
      return {.byte = 2 + column % 16, .shift = nibble, .mask = 15};
    case DType::q5_0:
      return {6 + column % 16, nibble, 15, 2 + column / 8, column % 8, 1, 4, 16};
    case DType::q5_1:
      return {8 + column % 16, nibble, 15, 4 + column / 8, column % 8, 1, 4};
    case DType::q2_k:
      return {.byte = 16 + half * 32 + in_32, .shift = quarter, .mask = 3};
    case DType::q3_k:
      return {32 + half * 32 + in_32, quarter, 3, in_32, of_32, 1, 2, 4};
    case DType::q4_k:
      return {.byte = 16 + column / 64 * 32 + in_32, .shift = of_32 % 2 * 4, .mask = 15};
    case DType::q5_k:
      return {48 + column / 64 * 32 + in_32, of_32 % 2 * 4, 15, 16 + in_32, of_32, 1, 4};
    case DType::q6_k:
      return {half * 64 + column % 64, column % 128 / 64 * 4, 15, 128 + half * 32 + in_32, quarter, 3, 4, 32};
    default:
      return {};
  }
}

constexpr int iq4_nl_code(int index) {  // kvalues_iq4nl
  constexpr std::uint64_t low = 0xf6eaddcfbfad9881, high = 0x7159453526190d01;
  return std::int8_t((index < 8 ? low : high) >> index % 8 * 8);
}

// A F16 of a block, times a small integer if it is of a group of columns.
struct Factor {
  int half = -1;  // where it begins; -1: there is none
  bool multiplied = false;
  bool subtracted = false;
  Code multiplier{};
};

// Two numbers of six bits for each of eight groups of 32 columns: get_scale_min_k4.
constexpr Code six_bits(int group, bool minimum) {
  constexpr int first = 4;
  const int i = group / 2;
  if (i < 4) return {.byte = first + i + (minimum ? 4 : 0), .mask = 63};
  return {first + i + 4, minimum ? 4 : 0, 15, first + i - (minimum ? 0 : 4), 6, 3, 4};
}

// Of group 0 to columns / 16 - 1 of a block.
constexpr Factor step_at(DType type, int group) {
  switch (type) {
    case DType::q2_k:
      return {.half = 80, .multiplied = true, .multiplier = {.byte = group, .mask = 15}};
    case DType::q3_k:
      return {.half = 108,
              .multiplied = true,
              .multiplier = {96 + group % 8, group / 8 * 4, 15, 104 + group % 4, group / 4 * 2, 3, 4, 32}};
    case DType::q4_k:
    case DType::q5_k:
      return {.half = 0, .multiplied = true, .multiplier = six_bits(group, false)};
    case DType::q6_k:
      return {.half = 208, .multiplied = true, .multiplier = {.byte = 192 + group}};
    default:
      return {.half = 0};
  }
}
constexpr Factor minimum_at(DType type, int group) {
  switch (type) {
    case DType::q4_1:
    case DType::q5_1:
      return {.half = 2};
    case DType::q2_k:
      return {.half = 82,
              .multiplied = true,
              .subtracted = true,
              .multiplier = {.byte = group, .shift = 4, .mask = 15}};
    case DType::q4_k:
    case DType::q5_k:
      return {.half = 2, .multiplied = true, .subtracted = true, .multiplier = six_bits(group, true)};
    default:
      return {};
  }
}

// One row's block, whose bytes lie close together (step 1) or in a panel (step panel_rows).
struct Block {
  DType type;
  const std::byte* first;
  std::int64_t step = 1;

  constexpr float value(int column) const {
    const int group = column / group_columns;
    return value(column, factor(step_at(type, group)), factor(minimum_at(type, group)));
  }
  // With what the column's group has.
  constexpr float value(int column, float step_of_group, float minimum) const {
    int code = number(code_at(type, column));
    if (type == DType::iq4_nl) code = iq4_nl_code(code);
    const float product = step_of_group * float(code);
    return minimum_at(type, 0).half < 0 ? product : product + minimum;
  }
  constexpr float factor(const Factor& f) const {
    if (f.half < 0) return 0;
    float result = decode_f16(std::uint16_t(byte(f.half) | byte(f.half + 1) << 8));
    if (f.multiplied) result = result * float(number(f.multiplier));
    return f.subtracted ? -result : result;
  }

 private:
  constexpr int byte(int i) const { return int(first[i * step]); }
  constexpr int number(const Code& c) const {
    const int low = byte(c.byte) >> c.shift & c.mask;
    const int high = c.high_mask == 0 ? 0 : byte(c.high_byte) >> c.high_shift & c.high_mask;
    return std::int8_t(low | high << c.high_place) - c.less;
  }
};

// The block that begins there, in the layout of the weight.
constexpr Block block_of(const Weight& w, const std::byte* at) {
  return {w.dtype, at, w.layout == Layout::panels ? panel_rows : 1};
}
constexpr int column_in_block(const Weight& w, std::int64_t column) {
  return int((columns_before(w) + column) % storage_unit(w.dtype).columns);
}

}  // namespace troupe::kernels
