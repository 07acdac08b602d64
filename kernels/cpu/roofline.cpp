#include "kernels/cpu/roofline.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "kernels/cpu/cpu_ops.hpp"
#include "kernels/cpu/instruction_set.hpp"
#include "runtime/base/error.hpp"

namespace troupe::kernels {
namespace {

// Seconds of the shortest of seven runs.
template <class Work>
double best_seconds(Work&& work) {
  double best = 1e9;
  for (int round = 0; round < 7; ++round) {
    const auto start = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::min(best, seconds.count());
  }
  return best;
}

// Rounds of 12 fused multiply-adds in registers, which hide one another's latency.
__attribute__((target("avx2,fma"))) void multiply_add_avx2(std::int64_t rounds) {
  for (std::int64_t i = 0; i < rounds; ++i)
    asm volatile(".irp n,0,1,2,3,4,5,6,7,8,9,10,11\n vfmadd231ps %%ymm15,%%ymm15,%%ymm\\n\n .endr" ::
                     : "ymm0", "ymm1", "ymm2", "ymm3", "ymm4", "ymm5", "ymm6", "ymm7", "ymm8", "ymm9",
                       "ymm10", "ymm11");
}
__attribute__((target("avx512f"))) void multiply_add_avx512(std::int64_t rounds) {
  for (std::int64_t i = 0; i < rounds; ++i)
    asm volatile(".irp n,0,1,2,3,4,5,6,7,8,9,10,11\n vfmadd231ps %%zmm15,%%zmm15,%%zmm\\n\n .endr" ::
                     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                       "xmm10", "xmm11");
}

}  // namespace

double memory_read_speed(int threads) {
  CpuOps ops(threads);
  ThreadPool pool(threads);
  const auto memory = ops.allocate(memory_read_bytes);
  const auto* const from = static_cast<const char*>(memory.get());
  return double(memory_read_bytes) / best_seconds([&] {
           pool.parallel_for(memory_read_bytes, 1 << 21, [&](std::int64_t begin, std::int64_t end) {
             CHECK(std::memchr(from + begin, 1, std::size_t(end - begin)) == nullptr);
           });
         });
}

double fma_peak(int threads) {
  constexpr std::int64_t pieces_a_thread = 16, rounds = 1 << 18;
  const bool wide = instruction_set() == InstructionSet::avx512;
  ThreadPool pool(threads);
  const double flop = double(rounds) * 12 * (wide ? 16 : 8) * 2 * double(threads * pieces_a_thread);
  return flop / best_seconds([&] {
           pool.parallel_for(threads * pieces_a_thread, 1, [&](std::int64_t, std::int64_t) {
             wide ? multiply_add_avx512(rounds) : multiply_add_avx2(rounds);
           });
         });
}

}  // namespace troupe::kernels
