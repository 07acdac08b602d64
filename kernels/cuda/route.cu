// The router of DeepSeek V3, and with softmax that of V2: see kernels/cpu/route.cpp for its rules.
#include "kernels/cuda/route.hpp"

#include "kernels/cuda/exp.hpp"
#include "kernels/cuda/lanes.hpp"

namespace troupe::kernels::cuda {
namespace {

constexpr int warp = 32;

// The highest of some values, ties by the lower index. Taken values are NaN, which is higher than none.
struct Highest {
  float value = 0;
  int index = -1;

  DEVICE void see(float other, int at) {
    if (other != other || at < 0) return;
    if (index >= 0 && (value > other || (value == other && index < at))) return;
    value = other;
    index = at;
  }
};

// All lanes of the warp call, and get the same.
template <class Values>
DEVICE Highest highest_of(Values& values, int n, int lane) {
  Highest best;
  for (int i = lane; i < n; i += warp) best.see(values[i], i);
  UNROLL for (int apart = warp / 2; apart > 0; apart /= 2) {
    const float value = __shfl_xor_sync(~0u, best.value, apart);
    const int index = __shfl_xor_sync(~0u, best.index, apart);
    best.see(value, index);
  }
  return best;
}

// Scores of all experts; the block's threads call.
template <class Scores, class Sums>
DEVICE void softmax(const float* logits, int n, Scores& scores, Sums& shared, int thread) {
  if (thread == 0) {
    float most = logits[0];
    for (int i = 1; i < n; ++i)
      if (most < logits[i]) most = logits[i];
    shared[0] = most;
  }
  __syncthreads();
  for (int i = thread; i < n; i += Route::threads) scores[i] = exp(logits[i] - shared[0]);
  __syncthreads();
  if (thread < warp) {
    float sum = 0;
    for (int i = thread % lanes; i < n; i += lanes) sum = sum + scores[i];
    sum = sum_of_lanes(sum);
    if (thread == 0) shared[1] = sum;
  }
  __syncthreads();
  for (int i = thread; i < n; i += Route::threads) scores[i] = scores[i] / shared[1];
}

template <class Choice>
DEVICE float score_of_group(Choice& choice, int first, int size, bool two) {
  float best = choice[first], second = -INFINITY;
  for (int i = 1; i < size; ++i) {
    const float x = choice[first + i], lower = x < best ? x : best;
    second = second < lower ? lower : second;
    best = best < x ? x : best;
  }
  return two && size > 1 ? best + second : best;
}

}  // namespace

KERNEL(route, Route) {
  SHARED(float, scores, k.most_experts);
  SHARED(float, choice, k.most_experts);
  SHARED(float, groups, k.most_experts);  // their scores; NaN: kept
  SHARED(float, sums, 2);
  const RoutingRule& rule = k.rule;
  const int thread = int(threadIdx.x), n = rule.experts, size = n / rule.groups;
  const float* const logits = k.logits + std::int64_t(blockIdx.x) * n;
  if (rule.scoring == Scoring::sigmoid)
    for (int i = thread; i < n; i += k.threads) scores[i] = sigmoid(logits[i]);
  else
    softmax(logits, n, scores, sums, thread);
  for (int i = thread; i < n; i += k.threads) {
    const float x = rule.bias != nullptr ? scores[i] + rule.bias[i] : scores[i];
    choice[i] = x != x ? -INFINITY : x;
  }
  __syncthreads();
  if (rule.groups > 1) {
    for (int g = thread; g < rule.groups; g += k.threads)
      groups[g] = score_of_group(choice, g * size, size, rule.scoring == Scoring::sigmoid);
    __syncthreads();
    if (thread < warp)
      for (int i = 0; i < rule.groups_kept; ++i) {
        const Highest best = highest_of(groups, rule.groups, thread);
        if (thread == 0) groups[best.index] = NAN;
        __syncwarp();
      }
    __syncthreads();
    for (int i = thread; i < n; i += k.threads)
      if (groups[i / size] == groups[i / size]) choice[i] = -INFINITY;
    __syncthreads();
  }
  if (thread >= warp) return;
  std::int32_t* const experts = k.experts + std::int64_t(blockIdx.x) * rule.per_token;
  float* const weights = k.weights + std::int64_t(blockIdx.x) * rule.per_token;
  float total = 0;
  for (int s = 0; s < rule.per_token; ++s) {
    const Highest best = highest_of(choice, n, thread);
    if (thread == 0) {
      choice[best.index] = NAN;
      experts[s] = best.index;
      total = total + scores[best.index];
    }
    __syncwarp();
  }
  if (thread != 0) return;
  for (int s = 0; s < rule.per_token; ++s) {
    const float weight = scores[experts[s]];
    weights[s] = (rule.normalise ? weight / (total + 1e-20f) : weight) * rule.scaling;
  }
}

KERNEL(count_experts, CountExperts) {
  const std::int64_t i = std::int64_t(blockIdx.x) * k.threads + threadIdx.x;
  if (i >= k.slots) return;
  const std::int32_t expert = k.experts[i];
  DEVICE_CHECK(expert >= 0 && expert < k.load_experts);
  atomicAdd(k.load + expert, 1ull);
}

}  // namespace troupe::kernels::cuda
