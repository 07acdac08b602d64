// Matrix products for all operations that have weights, by one chain of a thread for each element. Plain data, with
// pointers to the memory of the device; see kernel.hpp.
#pragma once

#include <cstdint>

#include "kernels/ops.hpp"

namespace troupe::kernels::cuda {

constexpr int most_shards = 1024;     // of a rank
constexpr int product_tokens = 8;     // of a block
constexpr int product_threads = 128;  // of a block: rows of the weight

// out[m, t][row] = the tree sum over the shards of w_m's columns of W_m[row] . x[m, t], for a stack of equal
// matrices m. Blocks: x: rows of the weight, y: tokens, z: matrices.
struct Multiply {
  static constexpr int threads = product_threads;
  constexpr const char* kernel() const {
    constexpr const char* names[]{"multiply_f32",    "multiply_f16",   "multiply_bf16",   "multiply_f8",
                                  "multiply_q8_0",   "multiply_q4_0",  "multiply_q4_1",   "multiply_q5_0",
                                  "multiply_q5_1",   "multiply_q2_k",  "multiply_q3_k",   "multiply_q4_k",
                                  "multiply_q5_k",   "multiply_q6_k",  "multiply_iq4_nl", "multiply_i4_32",
                                  "multiply_i4_128", "multiply_i8_32", "multiply_i8_128", "multiply_i4_bf16",
                                  "multiply_mxfp4",  "multiply_nvfp4", "multiply_nf4"};
    return names[int(w.dtype)];
  }

  Weight w;  // the first of the stack, in panels
  VirtualShards shards;
  std::int64_t weight_step = 0, scale_step = 0, weight_row_step = 0;  // between matrices: bytes, scales, row0
  const float* x = nullptr;  // [matrices, tokens], by these steps, of w.cols each
  std::int64_t x_token_step = 0, x_step = 0;
  float* out = nullptr;  // likewise, of w.rows each
  std::int64_t out_token_step = 0, out_step = 0;
  std::int64_t tokens = 0;
};

}  // namespace troupe::kernels::cuda
