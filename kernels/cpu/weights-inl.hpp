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

template <bool iq4_nl = false>
HWY_INLINE Lanes number_at(const std::byte* block, const Code& code) {
  const hn::DFromV<RowBytes> d8;
  const hn::Repartition<std::uint16_t, decltype(d8)> d16;
  const hn::Rebind<std::int8_t, decltype(d8)> signed8;
  RowBytes bits = bits_at(block, code.byte, code.shift, code.mask);
  if (code.high_mask != 0) {
    const RowBytes high = bits_at(block, code.high_byte, code.high_shift, code.high_mask);
    bits = hn::Or(bits, hn::BitCast(d8, hn::ShiftLeftSame(hn::BitCast(d16, high), code.high_place)));
  }
  if constexpr (iq4_nl) {
    alignas(16) std::int8_t codes[16];
    for (int i = 0; i < 16; ++i) codes[i] = std::int8_t(iq4_nl_code(i));
    bits = hn::TableLookupBytes(hn::BitCast(d8, hn::Load(signed8, codes)), bits);
  }
  const auto number = hn::Sub(hn::BitCast(signed8, bits), hn::Set(signed8, std::int8_t(code.less)));
  return each_part([&](int i) LANES_INLINE {
    const hn::Rebind<std::int32_t, D> d32;
    return hn::ConvertTo(D(), hn::PromoteTo(d32, part_of(number, i)));
  });
}

HWY_INLINE Lanes factor_at(const std::byte* block, const Factor& factor) {
  if (factor.half < 0) return zero();
  const hn::Rebind<std::uint8_t, D> d8;
  const hn::Rebind<std::uint16_t, D> d16;
  const hn::Rebind<hwy::float16_t, D> half;
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(block) + factor.half * lanes;
  Lanes result = each_part([&](int i) LANES_INLINE {
    const auto low = hn::PromoteTo(d16, hn::LoadU(d8, bytes + i * width)),
               high = hn::PromoteTo(d16, hn::LoadU(d8, bytes + lanes + i * width));
    return hn::PromoteTo(D(), hn::BitCast(half, hn::Or(low, hn::ShiftLeft<8>(high))));
  });
  if (factor.multiplied) result = multiply(result, number_at(block, factor.multiplier));
  return factor.subtracted ? multiply(result, broadcast(-1)) : result;
}

constexpr int columns_at_once = 2 * group_columns;  // that all types decode in the same way

// The 32 columns of a block from `first` on, 0 or a multiple: out[column][row]. Not inlined: it is long, and callers are many.
template <DType type>
HWY_NOINLINE void decode_columns(const std::byte* block, int first, float* out) {
  for (int g = 0; g < columns_at_once; g += group_columns) {
    const Lanes step = factor_at(block, step_at(type, (first + g) / group_columns)),
                minimum = factor_at(block, minimum_at(type, (first + g) / group_columns));
#pragma GCC unroll 16
    for (int c = g; c < g + group_columns; ++c) {
      const Lanes code = number_at<type == DType::iq4_nl>(block, code_at(type, first + c));
      const bool has_minimum = minimum_at(type, 0).half >= 0;
      store(has_minimum ? multiply_add(step, code, minimum) : multiply(step, code), out + c * lanes);
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
    default:
      CHECK(false, "a product of a strange type");
  }
}

}  // namespace troupe::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
