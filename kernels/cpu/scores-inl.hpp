// Products of queries with keys, as the chains of kernels/chain.hpp. Lanes are queries: each of them adds alone, as a
// thread of a GPU would, and nothing is summed across lanes. Compiled once for each instruction set.

#if defined(TROUPE_KERNELS_CPU_SCORES) == defined(HWY_TARGET_TOGGLE)
#ifdef TROUPE_KERNELS_CPU_SCORES
#undef TROUPE_KERNELS_CPU_SCORES
#else
#define TROUPE_KERNELS_CPU_SCORES
#endif

#include "kernels/cpu/blocks-inl.hpp"
#include "kernels/cpu/scores.hpp"
#include "kernels/ops.hpp"

HWY_BEFORE_NAMESPACE();
namespace troupe::kernels::HWY_NAMESPACE {

// scores[position][..] += keys[position] . q over columns [begin, end), for P positions and G * 16 queries.
template <int P, int G>
HWY_INLINE void score_columns(const float* const* keys, const float* queries, std::int64_t begin,
                              std::int64_t end, float* scores) {
  Lanes sums[P][G];
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 8
    for (int g = 0; g < G; ++g) sums[p][g] = zero();
  for (std::int64_t i = begin; i < end; ++i) {
    Lanes q[G];
#pragma GCC unroll 8
    for (int g = 0; g < G; ++g) q[g] = load(queries + i * tile_queries + g * lanes);
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) {
      const Lanes key = broadcast(keys[p][i]);
#pragma GCC unroll 8
      for (int g = 0; g < G; ++g) sums[p][g] = multiply_add(key, q[g], sums[p][g]);
    }
  }
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 8
    for (int g = 0; g < G; ++g) {
      float* const to = scores + p * tile_queries + g * lanes;
      store(begin == 0 ? sums[p][g] : add(load(to), sums[p][g]), to);
    }
}

template <int G>
HWY_NOINLINE void score(const float* turned, std::int64_t n, const float* const* keys, std::int64_t positions,
                        float* scores) {
  constexpr int most = wide ? 8 : 6;  // positions whose sums fit into the registers
  each_block<most>(positions, [&](std::int64_t position, auto size) LANES_INLINE {
    for (std::int64_t begin = 0; begin < n; begin += chain_block)
      score_columns<size(), G>(keys + position, turned, begin, std::min(n, begin + chain_block),
                               scores + position * tile_queries);
  });
}

// scores [positions, tile_queries]: q . key of n columns, for so many queries. turned: [n, tile_queries].
HWY_INLINE void score(const float* turned, std::int64_t queries, std::int64_t n, const float* const* keys,
                      std::int64_t positions, float* scores) {
  constexpr int most = wide ? 2 : 1;
  for (std::int64_t first = 0; first < queries; first += most * lanes)
    with_constant<most>((queries - first + lanes - 1) / lanes, [&](auto groups) {
      score<groups()>(turned + first, n, keys, positions, scores + first);
    });
}

}  // namespace troupe::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
