// Loops over blocks whose sizes are compile-time constants, so that their
// sums stay in registers. Compiled once for each instruction set.

#if defined(TROUPE_KERNELS_CPU_BLOCKS) == defined(HWY_TARGET_TOGGLE)
#ifdef TROUPE_KERNELS_CPU_BLOCKS
#undef TROUPE_KERNELS_CPU_BLOCKS
#else
#define TROUPE_KERNELS_CPU_BLOCKS
#endif

#include "kernels/cpu/lanes-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace troupe::kernels::HWY_NAMESPACE {

// Calls f with n as a compile-time constant, 1 <= n <= Most.
template <int Most, class F>
HWY_INLINE void with_constant(std::int64_t n, F f) {
  if constexpr (Most > 1) {
    if (n < Most) return with_constant<Most - 1>(n, f);
  }
  f(std::integral_constant<int, Most>());
}

// f(first, block size as a constant) for blocks of Most, then one smaller block, that cover n.
template <int Most, class F>
HWY_INLINE void each_block(std::int64_t n, F f) {
  for (std::int64_t i = 0; i < n; i += Most)
    with_constant<Most>(std::min<std::int64_t>(Most, n - i), [&](auto size) LANES_INLINE { f(i, size); });
}

}  // namespace troupe::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
