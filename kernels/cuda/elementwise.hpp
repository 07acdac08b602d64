// What the kernels of elementwise.cu are given: see kernel.hpp. Plain data, with pointers to the device's memory.
#pragma once

#include <cstdint>

namespace troupe::kernels::cuda {

// gate = silu(gate) * up; a thread is an element.
struct SiluMul {
  static constexpr int threads = 256;
  constexpr const char* kernel() const { return "silu_mul"; }

  float* gate;
  const float* up;
  std::int64_t elements;
  const std::int32_t* rows = nullptr;  // of `width` elements each, if fewer are in use
  std::int64_t width = 0;
};

// x += y; a thread is an element.
struct Add {
  static constexpr int threads = 256;
  constexpr const char* kernel() const { return "add"; }

  float* x;
  const float* y;
  std::int64_t elements;
};

// Every row of x += row; a thread is an element.
struct AddRow {
  static constexpr int threads = 256;
  constexpr const char* kernel() const { return "add_row"; }

  float* x;          // [rows, n]
  const float* row;  // [n]
  std::int64_t elements, n;
};

// out[t] = the sum of slots rows of n elements, each times its weight, in order; a thread is an element.
struct WeightedSum {
  static constexpr int threads = 256;
  constexpr const char* kernel() const { return "weighted_sum"; }

  const float* rows;     // [tokens * slots, n]
  const float* weights;  // [tokens, slots]
  std::int64_t tokens, slots, n;
  float* out;  // [tokens, n]
};

}  // namespace troupe::kernels::cuda
