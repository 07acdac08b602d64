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

  const float* x;  // [rows, heads, x_width]; the last 2 * half of a head are turned
  float* out;      // [rows, heads, out_width]; may be x
  std::int64_t heads, x_width, out_width, half;
  const float *cos, *sin;  // [positions, half]
  StagedStep step;
};

}  // namespace troupe::kernels::cuda
