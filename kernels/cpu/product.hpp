// Matrix products for all operations that have weights: a list of them, cut into tiles that the threads of a
// pool share. How it is cut never shows in the results.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/ops.hpp"
#include "runtime/base/thread_pool.hpp"

namespace troupe::kernels {

// out[t][row] = the tree sum over the shards of w's columns of W[row] . x[t].
struct Product {
  const Weight* w = nullptr;   // in panels
  VirtualShards shards;        // w's first column is the first column of the first shard
  const float* const* x = {};  // [rows] of at least w->cols columns each
  float* const* out = {};      // [rows] of at least w->rows columns each; apart from x
  std::int64_t rows = 0;
};

void multiply(ThreadPool& pool, std::span<const Product> products);

}  // namespace troupe::kernels
