// Products of a query with a key by one thread: a chain as products with weights are.
#pragma once

#include "kernels/cuda/kernel.hpp"
#include "kernels/ops.hpp"

namespace troupe::kernels::cuda {

template <class Query, class Key>
DEVICE float score_of(Query& q, const Key& key, std::int64_t width) {
  float score = 0;
  for (std::int64_t begin = 0; begin < width; begin += chain_block) {
    const std::int64_t end = begin + chain_block < width ? begin + chain_block : width;
    float sum = 0;
    for (std::int64_t i = begin; i < end; ++i) sum = fmaf(key[i], q[i], sum);
    score = begin == 0 ? sum : score + sum;
  }
  return score;
}

}  // namespace troupe::kernels::cuda
