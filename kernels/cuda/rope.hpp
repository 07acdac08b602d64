// What the kernels of rope.cu are given: see kernel.hpp. Plain data, with pointers to the device's memory.
#pragma once

#include <cstdint>

#include "kernels/cuda/step.hpp"

namespace troupe::kernels::cuda {

// Blocks: x: rows, y: so many heads that their pairs are at most the threads. A thread is a pair of one head.
struct Rope {
  static constexpr int threads = 256;
  constexpr const char* kernel() const { return "rope"; }
  constexpr std::int64_t heads_at_once() const { return threads / half; }

  const float* x;  // [rows, heads, x_width]
  float* out;      // [rows, heads, out_width]; may be x
  std::int64_t heads, x_width, out_width;
  std::int64_t x_first, out_first, half;  // 2 * half elements of a head from there on are turned
  std::int64_t next, apart;  // in x: from a pair to the next, and from a pair's one element to its other
  const float *cos, *sin;    // [positions, half]
  StagedStep step;
};

}  // namespace troupe::kernels::cuda
