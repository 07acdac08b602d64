// Sixteen weights of a row at a time, dequantised in registers. Compiled once for each instruction set.

#if defined(TROUPE_KERNELS_CPU_WEIGHTS) == defined(HWY_TARGET_TOGGLE)
#ifdef TROUPE_KERNELS_CPU_WEIGHTS
#undef TROUPE_KERNELS_CPU_WEIGHTS
#else
#define TROUPE_KERNELS_CPU_WEIGHTS
#endif

#include <cmath>
#include <cstring>

#include "kernels/cpu/dot-inl.hpp"
#include "kernels/cpu/weights.hpp"

HWY_BEFORE_NAMESPACE();
namespace troupe::kernels::HWY_NAMESPACE {

// factor: for FP8, 256 * scale, which is exact, so that the product is rounded once.
template <DType type>
HWY_INLINE Lanes decode(const std::byte* from, float factor) {
  const D d;
  if constexpr (type == DType::f32) {
    return load(reinterpret_cast<const float*>(from));
  } else if constexpr (type == DType::bf16) {
    const hn::Rebind<std::uint16_t, D> d16;
    return each_part([&](int i) LANES_INLINE {
      const auto bits = hn::LoadU(d16, reinterpret_cast<const std::uint16_t*>(from) + i * width);
      return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(hn::Rebind<std::uint32_t, D>(), bits)));
    });
  } else if constexpr (type == DType::f16) {
    const hn::Rebind<hwy::float16_t, D> d16;
    return each_part([&](int i) LANES_INLINE {
      return hn::PromoteTo(d, hn::LoadU(d16, reinterpret_cast<const hwy::float16_t*>(from) + i * width));
    });
  } else {
    // See decode_e4m3: this is 2^-8 of the value. The sign extended to 16 bits leaves a copy in bit 14.
    const hn::CappedTag<std::int16_t, lanes> d16;
    const hn::CappedTag<hwy::float16_t, lanes> half;
    const auto bytes =
        hn::LoadU(hn::Rebind<std::int8_t, decltype(d16)>(), reinterpret_cast<const std::int8_t*>(from));
    const auto bits = hn::ShiftLeft<7>(hn::PromoteTo(d16, bytes));
    const auto values = hn::BitCast(half, hn::And(bits, hn::Set(d16, std::int16_t(0xBFFF))));
    return each_part([&](int i) LANES_INLINE {
      return hn::Mul(hn::PromoteTo(d, part_of(values, i)), hn::Set(d, factor));
    });
  }
}

// Rows [row, row + A) of a weight: f(column, length, lanes of each row) for the chunks that cover [begin,
// end). Chunks begin at begin; a short last one has zeros in the lanes after its end.
template <DType type, int A, class F>
HWY_INLINE void each_weight_chunk(const Weight& w, std::int64_t row, std::int64_t begin, std::int64_t end,
                                  F f) {
  if (begin == end) return;
  const std::byte* rows[A];
  const float* scales[A] = {};
  // The hardware follows each row for itself and starts anew with every block of rows; for F32, which it
  // keeps up with, nothing is asked ahead.
  constexpr std::int64_t line = 64 / std::int64_t(size_of(type));  // columns of a cache line
  const std::int64_t ahead = A * w.cols * std::int64_t(size_of(type));
  for (int i = 0; i < A; ++i) {
    rows[i] = element_at(w, row + i, 0);
    if constexpr (type == DType::f8_e4m3) scales[i] = &scale_at(w, row + i, -w.col0);
  }
  std::int64_t block = type == DType::f8_e4m3 ? (w.col0 + begin) / w.block_cols : 0;
  for (std::int64_t column = begin; column < end;) {
    // The chunks that lie in one column of scale blocks share their factors.
    std::int64_t run_end = end;
    float factor[A] = {};
    bool exact = true;  // unless a scale is over 2^119: then one element at a time
    if constexpr (type == DType::f8_e4m3) {
      while ((block + 1) * w.block_cols - w.col0 <= column) ++block;
      run_end = std::min(end, (block + 1) * w.block_cols - w.col0);
      for (int i = 0; i < A; ++i) {
        factor[i] = 256 * scales[i][block];
        exact = exact && std::isfinite(factor[i]);
      }
    }
    for (; exact && column + lanes <= run_end; column += lanes) {
      Lanes values[A];
#pragma GCC unroll 8
      for (int i = 0; i < A; ++i) {
        const std::byte* const from = rows[i] + column * std::int64_t(size_of(type));
        if (line > 16 && (column - begin) % line == 0) __builtin_prefetch(from + ahead, 0, 2);
        values[i] = decode<type>(from, factor[i]);
      }
      f(column, std::int64_t{lanes}, values);
    }
    if (exact && column == run_end) continue;
    // The short last chunk, as if zeros followed; or one across a border of scale blocks.
    const std::int64_t length = std::min<std::int64_t>(lanes, end - column);
    const bool one_block = exact && column + length <= run_end;
    Lanes values[A];
    for (int i = 0; i < A; ++i) {
      if (one_block) {
        alignas(64) std::byte padded[lanes * size_of(type)] = {};
        std::memcpy(padded, rows[i] + column * std::int64_t(size_of(type)),
                    std::size_t(length) * size_of(type));
        values[i] = decode<type>(padded, factor[i]);
      } else {
        float padded[lanes] = {};
        for (std::int64_t k = 0; k < length; ++k) padded[k] = dequantise(w, row + i, column + k);
        values[i] = load(padded);
      }
    }
    f(column, length, values);
    column += length;
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

// out[k] = the weight at (row, begin + k), for columns [begin, end).
inline HWY_NOINLINE void dequantise_columns(const Weight& w, std::int64_t row, std::int64_t begin,
                                            std::int64_t end, float* out) {
  with_type(w.dtype, [&](auto type) LANES_INLINE {
    each_weight_chunk<type(), 1>(w, row, begin, end,
                                 [&](std::int64_t column, std::int64_t length, const Lanes(&values)[1])
                                     LANES_INLINE { store_part(values[0], out + (column - begin), length); });
  });
}

}  // namespace troupe::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
