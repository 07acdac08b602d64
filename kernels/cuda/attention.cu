// Softmax-weighted sums over splits of what a query sees, joined in order: see kernels/ops.hpp for the order of sums.
#include "kernels/cuda/attention.hpp"

#include "kernels/cuda/entries.hpp"
#include "kernels/cuda/exp.hpp"
#include "kernels/cuda/scores.hpp"

namespace troupe::kernels::cuda {
namespace {

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

template <class Head>
DEVICE void attend(const Attention& k) {
  static_assert(attention_split == Attention::threads, "a thread is a position of a split");
  SHARED(float, q, Attention::most_width);
  SHARED(float, joined, Attention::most_width);   // [value_width]: the weighted sum so far
  SHARED(std::int64_t, key, Attention::threads);  // where the split's heads stand
  SHARED(float, weight, Attention::threads);
  const int thread = int(threadIdx.x);
  const std::int64_t row = blockIdx.x, head = blockIdx.y, width = k.width;
  if (k.place.step.first_block[row] < 0) return;
  const std::int64_t sees = std::int64_t{k.place.step.position[row]} + 1;
  const std::int64_t visible = k.selected != nullptr && k.most < sees ? k.most : sees;
  for (std::int64_t i = thread; i < width; i += k.threads) q[i] = k.q[(row * k.heads + head) * width + i];
  for (std::int64_t i = thread; i < k.value_width; i += k.threads) joined[i] = 0;
  float joined_highest = -INFINITY, joined_weight = 0;
  __syncthreads();
  for (std::int64_t begin = 0; begin < visible; begin += attention_split) {
    const int positions = int(visible - begin < attention_split ? visible - begin : attention_split);
    float score = 0;
    if (thread < positions) {
      const std::int64_t position =
          k.selected != nullptr ? std::int64_t{k.selected[row * k.most + begin + thread]} : begin + thread;
      DEVICE_CHECK(position >= 0 && position < sees);
      key[thread] = k.place.entry(row, position) + k.columns.key_head(head) * k.form.head_words();
      score = score_of(q, Head(k.form, k.cache + key[thread]), width) * k.scale;
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
    for (std::int64_t i = thread; i < k.value_width; i += k.threads) {
      float sum = 0;
      for (int p = 0; p < positions; ++p)
        sum = fmaf(weight[p], Head(k.form, k.cache + key[p])[k.columns.value + i], sum);
      joined[i] = fmaf(sum, after, joined[i] * before);
    }
    __syncthreads();
  }
  const float factor = 1 / joined_weight;
  for (std::int64_t i = thread; i < k.value_width; i += k.threads)
    k.out[(row * k.heads + head) * k.value_width + i] = joined[i] * factor;
}

}  // namespace

KERNEL(attention, Attention) {
  attend<PlainHead>(k);
}
KERNEL(attention_encoded, Attention) {
  attend<EncodedHead>(k);
}

}  // namespace troupe::kernels::cuda
