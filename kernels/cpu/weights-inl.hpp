// Weights of a panel's rows, decoded in registers: lanes are rows. Compiled once for each instruction set.

#if defined(TROUPE_KERNELS_CPU_WEIGHTS) == defined(HWY_TARGET_TOGGLE)
#ifdef TROUPE_KERNELS_CPU_WEIGHTS
#undef TROUPE_KERNELS_CPU_WEIGHTS
#else
#define TROUPE_KERNELS_CPU_WEIGHTS
#endif

#include "kernels/block_formats.hpp"
#include "kernels/cpu/lanes-inl.hpp"
#include "kernels/weights.hpp"

HWY_BEFORE_NAMESPACE();
namespace troupe::kernels::HWY_NAMESPACE {

static_assert(panel_rows == lanes);

template <DType type>
constexpr int together = int(columns_together(type));

// Bytes of the columns that lie together.
template <DType type>
constexpr std::int64_t group_bytes = together<type>* lanes* std::int64_t(size_of(type));

// values[c][row]: the columns that lie together from `from` on. FP8 as 2^-8 of its value: see decode_e4m3.
template <DType type>
HWY_INLINE void decode(const std::byte* from, Lanes (&values)[together<type>]) {
  const D d;
  if constexpr (type == DType::f32) {
    values[0] = load(reinterpret_cast<const float*>(from));
  } else if constexpr (type == DType::f16) {
    const hn::Rebind<hwy::float16_t, D> d16;
    values[0] = each_part([&](int i) LANES_INLINE {
      return hn::PromoteTo(d, hn::LoadU(d16, reinterpret_cast<const hwy::float16_t*>(from) + i * width));
    });
  } else if constexpr (type == DType::bf16) {
    const hn::Rebind<std::uint32_t, D> d32;
    const auto pairs = [&](int i) LANES_INLINE {
      return hn::LoadU(d32, reinterpret_cast<const std::uint32_t*>(from) + i * width);
    };
    values[0] = each_part([&](int i) LANES_INLINE { return hn::BitCast(d, hn::ShiftLeft<16>(pairs(i))); });
    values[1] = each_part(
        [&](int i) LANES_INLINE { return hn::BitCast(d, hn::And(pairs(i), hn::Set(d32, 0xFFFF0000u))); });
  } else {
    // The sign extended by one place leaves a copy in bit 14.
    const hn::CappedTag<std::int16_t, lanes> d16;
    const hn::CappedTag<hwy::float16_t, lanes> half;
    const auto pairs = hn::LoadU(d16, reinterpret_cast<const std::int16_t*>(from));
    const auto even = hn::And(hn::ShiftRight<1>(hn::ShiftLeft<8>(pairs)), hn::Set(d16, std::int16_t(0xBFFF)));
    const auto odd = hn::And(hn::ShiftRight<1>(pairs), hn::Set(d16, std::int16_t(0xBF80)));
    const auto promoted = [&](auto bits) LANES_INLINE {
      return each_part([&](int i)
                           LANES_INLINE { return hn::PromoteTo(d, part_of(hn::BitCast(half, bits), i)); });
    };
    values[0] = promoted(even);
    values[1] = promoted(odd);
  }
}

// f(group, column, first, last): the groups of columns that lie together in a panel and cover [begin, end), each
// with the part [first, last) of it that belongs to them, as constants. column is that of the group's first.
template <DType type, class F>
HWY_INLINE void each_group(const std::byte* panel, std::int64_t begin, std::int64_t end, F f) {
  constexpr std::integral_constant<int, 0> none;
  constexpr std::integral_constant<int, 1> one;
  constexpr std::integral_constant<int, together<type>> all;
  std::int64_t column = begin;
  const std::byte* group = panel + begin / all * group_bytes<type>;
  if constexpr (all > 1) {
    if (column % 2 != 0 && column < end) {
      f(group, column - 1, one, all);
      ++column;
      group += group_bytes<type>;
    }
  }
  for (; column + all <= end; column += all, group += group_bytes<type>) f(group, column, none, all);
  if constexpr (all > 1) {
    if (column < end) f(group, column, none, one);
  }
}

// Bytes of 16 rows' blocks.
using RowBytes = hn::Vec<hn::Simd<std::uint8_t, lanes, 0>>;

// The bits of a code, of 16 rows: see Code. block: where the first of them has its first byte.
HWY_INLINE RowBytes bits_at(const std::byte* block, int byte, int shift, int mask) {
  const hn::DFromV<RowBytes> d8;
  const hn::Repartition<std::uint16_t, decltype(d8)> d16;
  const auto bytes = hn::LoadU(d8, reinterpret_cast<const std::uint8_t*>(block) + byte * lanes);
  // What a byte gets of its neighbour, the mask takes away.
  const auto shifted = hn::BitCast(d8, hn::ShiftRightSame(hn::BitCast(d16, bytes), shift));
  return hn::And(shifted, hn::Set(d8, std::uint8_t(mask)));
}

// type: of codes that are places in its table, if it has one.
template <DType type = DType::q8_0>
HWY_INLINE Lanes number_at(const std::byte* block, const Code& code) {
  const hn::DFromV<RowBytes> d8;
  const hn::Repartition<std::uint16_t, decltype(d8)> d16;
  const hn::Rebind<std::int8_t, decltype(d8)> signed8;
  RowBytes bits = bits_at(block, code.byte, code.shift, code.mask);
  if (code.high_mask != 0) {
    const RowBytes high = bits_at(block, code.high_byte, code.high_shift, code.high_mask);
    bits = hn::Or(bits, hn::BitCast(d8, hn::ShiftLeftSame(hn::BitCast(d16, high), code.high_place)));
  }
  if constexpr (has_table(type)) {
    alignas(16) std::int8_t codes[16];
    for (int i = 0; i < 16; ++i) codes[i] = std::int8_t(table_code(type, i));
    bits = hn::TableLookupBytes(hn::BitCast(d8, hn::Load(signed8, codes)), bits);
  }
  const auto number = hn::Sub(hn::BitCast(signed8, bits), hn::Set(signed8, std::int8_t(code.less)));
  return each_part([&](int i) LANES_INLINE {
    const hn::Rebind<std::int32_t, D> d32;
    return hn::ConvertTo(D(), hn::PromoteTo(d32, part_of(number, i)));
  });
}

// Bytes first to first + bytes - 1 of 16 blocks as one number each, as F32's bits or to be made it.
template <int bytes>
HWY_INLINE auto joined_bytes(const std::byte* block, int first, int part) {
  const hn::Rebind<std::uint8_t, D> d8;
  const hn::Rebind<std::uint32_t, D> d32;
  const auto* const from = reinterpret_cast<const std::uint8_t*>(block) + first * lanes + part * width;
  auto result = hn::PromoteTo(d32, hn::LoadU(d8, from));
  if constexpr (bytes >= 2)
    result = hn::Or(result, hn::ShiftLeft<8>(hn::PromoteTo(d32, hn::LoadU(d8, from + lanes))));
  if constexpr (bytes == 4) {
    result = hn::Or(result, hn::ShiftLeft<16>(hn::PromoteTo(d32, hn::LoadU(d8, from + 2 * lanes))));
    result = hn::Or(result, hn::ShiftLeft<24>(hn::PromoteTo(d32, hn::LoadU(d8, from + 3 * lanes))));
  }
  return result;
}

HWY_INLINE Lanes stored_factor(const std::byte* block, const Factor& factor) {
  const hn::Rebind<std::uint32_t, D> d32;
  const hn::Rebind<std::uint16_t, D> d16;
  const hn::Rebind<hwy::float16_t, D> half;
  const auto from_half = [&](auto bits) LANES_INLINE {
    return hn::PromoteTo(
        D(), hn::BitCast(half, hn::DemoteTo(d16, hn::BitCast(hn::Rebind<std::int32_t, D>(), bits))));
  };
  const int first = factor.begin;
  switch (factor.form) {
    case FactorForm::f32:
      return each_part([&](int i)
                           LANES_INLINE { return hn::BitCast(D(), joined_bytes<4>(block, first, i)); });
    case FactorForm::bf16:
      return each_part([&](int i) LANES_INLINE {
        return hn::BitCast(D(), hn::ShiftLeft<16>(joined_bytes<2>(block, first, i)));
      });
    case FactorForm::half_e8m0:  // 0, too, is a power: see decode_e8m0
      return each_part([&](int i) LANES_INLINE {
        const auto power = hn::ShiftLeft<23>(joined_bytes<1>(block, first, i));
        return hn::Mul(hn::BitCast(D(), hn::Max(power, hn::Set(d32, 1u << 22))), hn::Set(D(), 0.5f));
      });
    case FactorForm::half_e4m3_256th:
      return each_part([&](int i) LANES_INLINE {
        const auto byte = joined_bytes<1>(block, first, i);
        const auto sign = hn::ShiftLeft<8>(hn::And(byte, hn::Set(d32, 0x80u))),
                   rest = hn::ShiftLeft<7>(hn::And(byte, hn::Set(d32, 0x7fu)));
        return hn::Mul(from_half(hn::Or(sign, rest)), hn::Set(D(), 0.5f));
      });
    default:
      return each_part([&](int i) LANES_INLINE { return from_half(joined_bytes<2>(block, first, i)); });
  }
}

HWY_INLINE Lanes factor_at(const std::byte* block, const Factor& factor) {
  if (factor.begin < 0) return zero();
  Lanes result = stored_factor(block, factor);
  if (factor.multiplied) result = multiply(result, number_at(block, factor.multiplier));
  return factor.subtracted ? multiply(result, broadcast(-1)) : result;
}

// Of 16 rows the values of NF4's codes.
HWY_INLINE Lanes nf4_at(const std::byte* block, const Code& code) {
  alignas(64) float values[lanes];
  for (int i = 0; i < lanes; ++i) values[i] = nf4_value(i);
  const auto bits = bits_at(block, code.byte, code.shift, code.mask);
  const hn::Rebind<std::int32_t, D> d32;
  return each_part([&](int i) LANES_INLINE {
    const auto place = hn::PromoteTo(d32, part_of(bits, i));
    const auto indices = hn::IndicesFromVec(D(), hn::And(place, hn::Set(d32, width - 1)));
    const auto low = hn::TableLookupLanes(hn::Load(D(), values), indices);
    if constexpr (parts == 1) {
      return low;
    } else {
      const auto high = hn::TableLookupLanes(hn::Load(D(), values + width % lanes), indices);
      return hn::IfThenElse(hn::RebindMask(D(), hn::Gt(place, hn::Set(d32, width - 1))), high, low);
    }
  });
}

constexpr int columns_at_once = 2 * group_columns;  // that all types decode in the same way

// The 32 columns of a block from `first` on, 0 or a multiple: out[column][row]. Not inlined: it is long, and callers are many.
template <DType type>
HWY_NOINLINE void decode_columns(const std::byte* block, int first, float* out) {
  for (int g = 0; g < columns_at_once; g += group_columns) {
    const Lanes step = factor_at(block, step_at(type, (first + g) / group_columns)),
                minimum = factor_at(block, minimum_at(type, (first + g) / group_columns));
    const Lanes before_zero = has_zero(type) ? number_at(block, zero_of_block) : zero();
#pragma GCC unroll 16
    for (int c = g; c < g + group_columns; ++c) {
      const Code code = code_at(type, first + c);
      if constexpr (type == DType::nf4) {
        store(multiply(step, nf4_at(block, code)), out + c * lanes);
        continue;
      }
      Lanes number = number_at<type>(block, code);
      if (has_zero(type)) number = subtract(number, before_zero);
      const bool has_minimum = minimum_at(type, 0).begin >= 0;
      store(has_minimum ? multiply_add(step, number, minimum) : multiply(step, number), out + c * lanes);
    }
  }
}

// f with the weight's type as a compile-time constant.
template <class F>
HWY_INLINE void with_type(DType type, F f) {
  switch (type) {
    case DType::f32:
      return f(std::integral_constant<DType, DType::f32>());
    case DType::f16:
      return f(std::integral_constant<DType, DType::f16>());
    case DType::bf16:
      return f(std::integral_constant<DType, DType::bf16>());
    case DType::f8_e4m3:
      return f(std::integral_constant<DType, DType::f8_e4m3>());
    case DType::q8_0:
      return f(std::integral_constant<DType, DType::q8_0>());
    case DType::q4_0:
      return f(std::integral_constant<DType, DType::q4_0>());
    case DType::q4_1:
      return f(std::integral_constant<DType, DType::q4_1>());
    case DType::q5_0:
      return f(std::integral_constant<DType, DType::q5_0>());
    case DType::q5_1:
      return f(std::integral_constant<DType, DType::q5_1>());
    case DType::q2_k:
      return f(std::integral_constant<DType, DType::q2_k>());
    case DType::q3_k:
      return f(std::integral_constant<DType, DType::q3_k>());
    case DType::q4_k:
      return f(std::integral_constant<DType, DType::q4_k>());
    case DType::q5_k:
      return f(std::integral_constant<DType, DType::q5_k>());
    case DType::q6_k:
      return f(std::integral_constant<DType, DType::q6_k>());
    case DType::iq4_nl:
      return f(std::integral_constant<DType, DType::iq4_nl>());
    case DType::i4_32:
      return f(std::integral_constant<DType, DType::i4_32>());
    case DType::i4_128:
      return f(std::integral_constant<DType, DType::i4_128>());
    case DType::i8_32:
      return f(std::integral_constant<DType, DType::i8_32>());
    case DType::i8_128:
      return f(std::integral_constant<DType, DType::i8_128>());
    case DType::i4_bf16:
      return f(std::integral_constant<DType, DType::i4_bf16>());
    case DType::mxfp4:
      return f(std::integral_constant<DType, DType::mxfp4>());
    case DType::nvfp4:
      return f(std::integral_constant<DType, DType::nvfp4>());
    case DType::nf4:
      return f(std::integral_constant<DType, DType::nf4>());
    default:
      CHECK(false, "a product of a strange type");
  }
}

}  // namespace troupe::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
