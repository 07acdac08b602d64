// How fast this machine reads memory: what weight-bound kernels are measured against, in the same run.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include "kernels/cpu/cpu_ops.hpp"
#include "runtime/base/thread_pool.hpp"

namespace troupe::bench {

constexpr std::int64_t memory_read_bytes = std::int64_t{1} << 30;

inline int all_threads() {
  return int(std::thread::hardware_concurrency());
}

// Bytes a second of a plain read, the best of seven: the C library looks for a byte that is not there.
inline double memory_read_speed(int threads) {
  const auto ops = kernels::make_cpu_ops(1);
  ThreadPool pool(threads);
  const auto memory = ops->allocate(memory_read_bytes);
  const auto* const from = static_cast<const char*>(memory.get());
  double best = 0;
  for (int round = 0; round < 7; ++round) {
    const auto start = std::chrono::steady_clock::now();
    pool.parallel_for(memory_read_bytes, 1 << 21, [&](std::int64_t begin, std::int64_t end) {
      benchmark::DoNotOptimize(std::memchr(from + begin, 1, std::size_t(end - begin)));
    });
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, double(memory_read_bytes) / seconds.count());
  }
  return best;
}

}  // namespace troupe::bench
