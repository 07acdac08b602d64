// Dot products in 16 lanes, for several rows on both sides at once so that each load serves several products.
// A product's additions come in the order of its columns, whatever else is computed beside it. Compiled once
// for each instruction set.

#if defined(TROUPE_KERNELS_CPU_DOT) == defined(HWY_TARGET_TOGGLE)
#ifdef TROUPE_KERNELS_CPU_DOT
#undef TROUPE_KERNELS_CPU_DOT
#else
#define TROUPE_KERNELS_CPU_DOT
#endif

#include "kernels/cpu/blocks-inl.hpp"
#include "kernels/cpu/lanes-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace troupe::kernels::HWY_NAMESPACE {

// The block of dot products whose sums fit into the registers, with room for the operands.
constexpr int block_a = wide ? 4 : 2;
constexpr int block_b = wide ? 6 : 3;

template <int A, int B>
using Sums = Lanes[A][B];

template <int A, int B>
HWY_INLINE void clear(Sums<A, B>& sums) {
#pragma GCC unroll 8
  for (int i = 0; i < A; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < B; ++j) sums[i][j] = zero();
}

// sums[i][j] += a[i] . b[j], element by element in the lanes,
// over n columns. A short last chunk counts as if zeros followed.
template <int A, int B>
HWY_INLINE void dot(const float* const* a, const float* const* b, std::int64_t n, Sums<A, B>& sums) {
  each_chunk(n, [&](std::int64_t column, std::int64_t length) LANES_INLINE {
    Lanes x[B];
#pragma GCC unroll 8
    for (int j = 0; j < B; ++j) x[j] = load_part(b[j] + column, length);
#pragma GCC unroll 8
    for (int i = 0; i < A; ++i) {
      const Lanes y = load_part(a[i] + column, length);
#pragma GCC unroll 8
      for (int j = 0; j < B; ++j) sums[i][j] = multiply_add(y, x[j], sums[i][j]);
    }
  });
}

}  // namespace troupe::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
