// What the kernels of norm.cu are given: see kernel.hpp. Plain data, with pointers to the device's memory.
#pragma once

#include <cstdint>

namespace troupe::kernels::cuda {

// A block is a row.
struct RmsNorm {
  static constexpr int threads = 256;
  constexpr const char* kernel() const { return "rms_norm"; }

  const float* x;  // [rows, stride], of which the first n columns count
  std::int64_t stride;
  const float* weight;  // [n]
  std::int64_t n;
  float epsilon;
  float* out;  // [rows, n]; may be x
};

// A block is a row.
struct LayerNorm {
  static constexpr int threads = 256;
  constexpr const char* kernel() const { return "layer_norm"; }

  const float *x, *weight, *bias;  // [rows, n], [n] twice
  std::int64_t n;
  float epsilon;
  float* out;  // [rows, n]; may be x
};

}  // namespace troupe::kernels::cuda
