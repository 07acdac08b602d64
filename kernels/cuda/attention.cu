// Softmax-weighted sums over splits of what a query sees, joined in order: see kernels/ops.hpp for the order of sums.
#include "kernels/cuda/attention.hpp"

#include "kernels/cuda/exp.hpp"
#include "kernels/ops.hpp"

namespace troupe::kernels::cuda {
namespace {

// A chain as products with weights are.
template <class Query>
DEVICE float score_of(Query& q, const float* key, std::int64_t width) {
  float score = 0;
  for (std::int64_t begin = 0; begin < width; begin += chain_block) {
    const std::int64_t end = begin + chain_block < width ? begin + chain_block : width;
    float sum = 0;
    for (std::int64_t i = begin; i < end; ++i) sum = fmaf(key[i], q[i], sum);
    score = begin == 0 ? sum : score + sum;
  }
  return score;
}

// Of the positions of a split.
template <class Weights>
DEVICE float highest_of(Weights& scores, int positions) {
  float highest = -INFINITY;
  for (int p = 0; p < positions; ++p) highest = highest < scores[p] ? scores[p] : highest;
  return highest;
}
template <class Weights>
DEVICE float sum_of(Weights& weights, int positions) {
  float sum = 0;
  for (int p = 0; p < positions; ++p) sum = sum + weights[p];
  return sum;
}

}  // namespace

KERNEL(mla_attention, MlaAttention) {
  static_assert(attention_split == MlaAttention::threads, "a thread is a position of a split");
  SHARED(float, q, MlaAttention::most_width);
  SHARED(float, joined, MlaAttention::most_width);   // [latent]: the weighted sum so far
  SHARED(std::int64_t, key, MlaAttention::threads);  // where the split's entries stand
  SHARED(float, weight, MlaAttention::threads);
  const int thread = int(threadIdx.x);
  const std::int64_t row = blockIdx.x, head = blockIdx.y, width = k.place.width;
  if (k.place.step.first_block[row] < 0) return;
  const std::int64_t visible = std::int64_t{k.place.step.position[row]} + 1;
  for (std::int64_t i = thread; i < width; i += k.threads) q[i] = k.q[(row * k.heads + head) * width + i];
  for (std::int64_t i = thread; i < k.latent; i += k.threads) joined[i] = 0;
  float joined_highest = -INFINITY, joined_weight = 0;
  __syncthreads();
  for (std::int64_t begin = 0; begin < visible; begin += attention_split) {
    const int positions = int(visible - begin < attention_split ? visible - begin : attention_split);
    float score = 0;
    if (thread < positions) {
      key[thread] = k.place.entry(row, begin + thread);
      score = score_of(q, k.cache + key[thread], width) * k.scale;
      weight[thread] = score;
    }
    __syncthreads();
    const float split_highest = highest_of(weight, positions);
    __syncthreads();
    if (thread < positions) weight[thread] = exp(score - split_highest);
    __syncthreads();
    const float split_weight = sum_of(weight, positions);
    const float highest = joined_highest < split_highest ? split_highest : joined_highest;
    const float before = exp(joined_highest - highest), after = exp(split_highest - highest);
    joined_highest = highest;
    joined_weight = joined_weight * before + split_weight * after;
    for (std::int64_t i = thread; i < k.latent; i += k.threads) {
      float sum = 0;
      for (int p = 0; p < positions; ++p) sum = fmaf(weight[p], k.cache[key[p] + i], sum);
      joined[i] = fmaf(sum, after, joined[i] * before);
    }
    __syncthreads();
  }
  const float factor = 1 / joined_weight;
  for (std::int64_t i = thread; i < k.latent; i += k.threads)
    k.out[(row * k.heads + head) * k.latent + i] = joined[i] * factor;
}

}  // namespace troupe::kernels::cuda
