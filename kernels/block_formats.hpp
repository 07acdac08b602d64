// The quantised types that a block of columns of a row is stored in. A weight is step * code, or step * code + minimum, or
// step * (code - zero), where step, minimum and zero are those of 16 columns. It is rounded at most once: step * code is
// exact in F32 where a minimum is added, so that it is the same whether that is fused or not.
// - GGUF's: names and bytes are those of ggml's ggml-common.h, values those of its dequantize_row_* functions.
// - i4_32, i4_128, i8_32, i8_128: integers of so many bits, by so many columns: F32 step, a byte of the zero, codes. Of 8
//   bits code and zero are less 128.
// - i4_bf16: q4_0 with a BF16 step.
// - mxfp4: E8M0 step, E2M1 codes (OCP Microscaling Formats 1.0, section 5.2), of 32 columns.
// - nvfp4: of 16 columns an E4M3 step and E2M1 codes, two of them to a block; 2^-8 of the value, as FP8: see ops.hpp.
// - nf4: F32 step of 64 columns, codes are places in a table (Dettmers et al. 2023, "QLoRA", appendix E).
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
    case DType::iq4_nl:  // an index of table_code
      return {.byte = 2 + column % 16, .shift = nibble, .mask = 15};
    case DType::i4_bf16:
      return {.byte = 2 + column % 16, .shift = nibble, .mask = 15, .less = 8};
    case DType::i4_32:
    case DType::i4_128:
      return {.byte = 5 + of_32 * 16 + column % 16, .shift = nibble % 8, .mask = 15};
    case DType::i8_32:
    case DType::i8_128:
      return {.byte = 5 + column};
    case DType::mxfp4:
      return {.byte = 1 + column % 16, .shift = nibble, .mask = 15};
    case DType::nvfp4:
      return {.byte = 2 + column % 16, .shift = nibble, .mask = 15};
    case DType::nf4:
      return {.byte = 4 + of_32 * 16 + column % 16, .shift = nibble % 8, .mask = 15};
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

// Of types whose codes are places in a table of small integers: kvalues_iq4nl, and E2M1's numbers times 2.
constexpr bool has_table(DType type) {
  return type == DType::iq4_nl || type == DType::mxfp4 || type == DType::nvfp4;
}
constexpr int table_code(DType type, int index) {
  constexpr std::uint64_t iq4_nl[]{0xf6eaddcfbfad9881, 0x7159453526190d01};
  constexpr std::uint64_t e2m1[]{0x0c08060403020100, 0xf4f8fafcfdfeff00};
  const std::uint64_t low = type == DType::iq4_nl ? iq4_nl[0] : e2m1[0],
                      high = type == DType::iq4_nl ? iq4_nl[1] : e2m1[1];
  return std::int8_t((index < 8 ? low : high) >> index % 8 * 8);
}

constexpr float nf4_value(int index) {
  switch (index) {
    case 0:
      return -1.0f;
    case 1:
      return -0.6961928009986877f;
    case 2:
      return -0.5250730514526367f;
    case 3:
      return -0.39491748809814453f;
    case 4:
      return -0.28444138169288635f;
    case 5:
      return -0.18477343022823334f;
    case 6:
      return -0.09105003625154495f;
    case 8:
      return 0.07958029955625534f;
    case 9:
      return 0.16093020141124725f;
    case 10:
      return 0.24611230194568634f;
    case 11:
      return 0.33791524171829224f;
    case 12:
      return 0.44070982933044434f;
    case 13:
      return 0.5626170039176941f;
    case 14:
      return 0.7229568362236023f;
    case 15:
      return 1.0f;
    default:
      return 0;
  }
}

// How a number that columns share is stored; of an E2M1 code times 2 it is half of the number.
enum class FactorForm : std::uint8_t { f16, bf16, f32, half_e8m0, half_e4m3_256th };

// A number of a block, times a small integer if it is of a group of columns.
struct Factor {
  int begin = -1;  // its first byte; -1: there is none
  FactorForm form = FactorForm::f16;
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
      return {.begin = 80, .multiplied = true, .multiplier = {.byte = group, .mask = 15}};
    case DType::q3_k:
      return {.begin = 108,
              .multiplied = true,
              .multiplier = {96 + group % 8, group / 8 * 4, 15, 104 + group % 4, group / 4 * 2, 3, 4, 32}};
    case DType::q4_k:
    case DType::q5_k:
      return {.begin = 0, .multiplied = true, .multiplier = six_bits(group, false)};
    case DType::q6_k:
      return {.begin = 208, .multiplied = true, .multiplier = {.byte = 192 + group}};
    case DType::i4_32:
    case DType::i4_128:
    case DType::i8_32:
    case DType::i8_128:
    case DType::nf4:
      return {.begin = 0, .form = FactorForm::f32};
    case DType::i4_bf16:
      return {.begin = 0, .form = FactorForm::bf16};
    case DType::mxfp4:
      return {.begin = 0, .form = FactorForm::half_e8m0};
    case DType::nvfp4:
      return {.begin = group, .form = FactorForm::half_e4m3_256th};
    default:
      return {.begin = 0};
  }
}
constexpr Factor minimum_at(DType type, int group) {
  switch (type) {
    case DType::q4_1:
    case DType::q5_1:
      return {.begin = 2};
    case DType::q2_k:
      return {.begin = 82,
              .multiplied = true,
              .subtracted = true,
              .multiplier = {.byte = group, .shift = 4, .mask = 15}};
    case DType::q4_k:
    case DType::q5_k:
      return {.begin = 2, .multiplied = true, .subtracted = true, .multiplier = six_bits(group, true)};
    default:
      return {};
  }
}

// Of all columns of a block.
constexpr bool has_zero(DType type) {
  return type == DType::i4_32 || type == DType::i4_128 || type == DType::i8_32 || type == DType::i8_128;
}
constexpr Code zero_of_block{.byte = 4};

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
    if (type == DType::nf4) return step_of_group * nf4_value(code);
    if (has_table(type)) code = table_code(type, code);
    if (has_zero(type)) code -= number(zero_of_block);
    const float product = step_of_group * float(code);
    return minimum_at(type, 0).begin < 0 ? product : product + minimum;
  }
  constexpr float factor(const Factor& f) const {
    if (f.begin < 0) return 0;
    float result = stored(f);
    if (f.multiplied) result = result * float(number(f.multiplier));
    return f.subtracted ? -result : result;
  }

 private:
  constexpr int byte(int i) const { return int(first[i * step]); }
  constexpr std::uint32_t half(int i) const { return std::uint32_t(byte(i) | byte(i + 1) << 8); }
  constexpr float stored(const Factor& f) const {
    switch (f.form) {
      case FactorForm::f32:
        return std::bit_cast<float>(half(f.begin) | half(f.begin + 2) << 16);
      case FactorForm::bf16:
        return decode_bf16(std::uint16_t(half(f.begin)));
      case FactorForm::half_e8m0:
        return decode_e8m0(std::uint8_t(byte(f.begin))) * 0.5f;
      case FactorForm::half_e4m3_256th:
        return decode_e4m3_256th(std::uint8_t(byte(f.begin))) * 0.5f;
      default:
        return decode_f16(std::uint16_t(half(f.begin)));
    }
  }
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
