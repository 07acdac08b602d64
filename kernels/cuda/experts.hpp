// What the kernels of experts.cu are given: see kernel.hpp. Plain data, with pointers to the device's memory.
#pragma once

#include <cstdint>

#include "kernels/cuda/product.hpp"

namespace troupe::kernels::cuda {

// Visits order[first] to order[first + count - 1] are to one expert.
struct VisitTile {
  std::int32_t place, first, count;
};

// Lists in the device's memory of the visits to experts that are here, ordered by expert, so that each expert's
// weights are read once for several of them.
struct VisitOrder {
  std::int32_t* visits;  // [visits]
  std::int32_t* rows;    // [visits]: of these
  VisitTile* tiles;      // at most product_tokens visits each
  std::int32_t* counts;  // [2]: of visits, of tiles
};

// visit t*slots+s is row t's, to the expert in slot s; a thread is a visit.
struct ListVisits {
  static constexpr int threads = 256;
  constexpr const char* kernel() const { return "list_visits"; }

  const std::int32_t* experts;  // [tokens, slots]
  std::int64_t tokens, slots;
  std::int32_t *visit_rows, *visit_experts, *counts;
};

// One block; a thread has an expert.
struct OrderVisits {
  static constexpr int threads = 256;
  static constexpr int most_experts = 1024;
  constexpr const char* kernel() const { return "order_visits"; }

  const std::int32_t *visit_rows, *visit_experts, *counts;  // see ExpertBatch
  std::int64_t rows, visits;                                // at most
  const std::int32_t* place_of;                             // [experts]
  int experts;                                              // of the model
  VisitOrder order;
};

// The rows of out for visits to experts that are not here become zero; a block is a visit.
struct ZeroElsewhere {
  static constexpr int threads = 256;
  constexpr const char* kernel() const { return "zero_elsewhere"; }

  const std::int32_t *visit_experts, *counts, *place_of;
  float* out;  // [visits, n]
  std::int64_t n;
};

// out_m[i] = W_m of i's expert times x[i], for up to two matrices m of each expert. Blocks: x: rows of the weight, y:
// tiles, z: matrices. Matrices of another type than dtype are left to another launch.
struct MultiplyExperts {
  static constexpr int threads = product_threads;
  constexpr const char* kernel() const {
    constexpr const char* names[]{
        "multiply_experts_f32",    "multiply_experts_f16",     "multiply_experts_bf16",
        "multiply_experts_f8",     "multiply_experts_q8_0",    "multiply_experts_q4_0",
        "multiply_experts_q4_1",   "multiply_experts_q5_0",    "multiply_experts_q5_1",
        "multiply_experts_q2_k",   "multiply_experts_q3_k",    "multiply_experts_q4_k",
        "multiply_experts_q5_k",   "multiply_experts_q6_k",    "multiply_experts_iq4_nl",
        "multiply_experts_i4_32",  "multiply_experts_i4_128",  "multiply_experts_i8_32",
        "multiply_experts_i8_128", "multiply_experts_i4_bf16", "multiply_experts_mxfp4",
        "multiply_experts_nvfp4",  "multiply_experts_nf4"};
    return names[int(dtype)];
  }

  DType dtype;
  const Weight* weights[2];  // by place
  VirtualShards shards;
  VisitOrder order;
  const std::int32_t *x_rows, *out_rows;  // by place in the order; null: that place
  const float* x;
  std::int64_t x_width;
  float* out[2];
  std::int64_t out_width;
};

}  // namespace troupe::kernels::cuda
