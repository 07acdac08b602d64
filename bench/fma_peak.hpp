// How many multiply-adds this machine's vector units do: what products of many tokens are measured against, in
// the same run.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "kernels/cpu/targets.hpp"
#include "runtime/base/thread_pool.hpp"
// Highway after the choice of targets.
#include <hwy/targets.h>

namespace troupe::bench {

// Rounds of 12 fused multiply-adds in registers, which hide one another's latency.
__attribute__((target("avx2,fma"))) inline void multiply_add_avx2(std::int64_t rounds) {
  for (std::int64_t i = 0; i < rounds; ++i)
    asm volatile(".irp n,0,1,2,3,4,5,6,7,8,9,10,11\n vfmadd231ps %%ymm15,%%ymm15,%%ymm\\n\n .endr" ::
                     : "ymm0", "ymm1", "ymm2", "ymm3", "ymm4", "ymm5", "ymm6", "ymm7", "ymm8", "ymm9",
                       "ymm10", "ymm11");
}
__attribute__((target("avx512f"))) inline void multiply_add_avx512(std::int64_t rounds) {
  for (std::int64_t i = 0; i < rounds; ++i)
    asm volatile(".irp n,0,1,2,3,4,5,6,7,8,9,10,11\n vfmadd231ps %%zmm15,%%zmm15,%%zmm\\n\n .endr" ::
                     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                       "xmm10", "xmm11");
}

// FLOP a second over all threads with the instruction set that the kernels use now, the best of seven.
inline double fma_peak(int threads) {
  const bool wide = (hwy::SupportedTargets() & HWY_AVX3) != 0;
  constexpr std::int64_t pieces_a_thread = 16, rounds = 1 << 18;
  ThreadPool pool(threads);
  double best = 0;
  for (int round = 0; round < 7; ++round) {
    const auto start = std::chrono::steady_clock::now();
    pool.parallel_for(threads * pieces_a_thread, 1, [&](std::int64_t, std::int64_t) {
      wide ? multiply_add_avx512(rounds) : multiply_add_avx2(rounds);
    });
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    const double flop = double(rounds) * 12 * (wide ? 16 : 8) * 2 * double(threads * pieces_a_thread);
    best = std::max(best, flop / seconds.count());
  }
  return best;
}

}  // namespace troupe::bench
