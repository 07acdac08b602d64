// Weights of a panel's rows, decoded in registers: lanes are rows. Compiled once for each instruction set.

#if defined(TROUPE_KERNELS_CPU_WEIGHTS) == defined(HWY_TARGET_TOGGLE)
#ifdef TROUPE_KERNELS_CPU_WEIGHTS
#undef TROUPE_KERNELS_CPU_WEIGHTS
#else
#define TROUPE_KERNELS_CPU_WEIGHTS
#endif

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
    default:
      return f(std::integral_constant<DType, DType::f8_e4m3>());
  }
}

}  // namespace troupe::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
