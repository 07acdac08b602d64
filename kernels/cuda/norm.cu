#include "kernels/cuda/norm.hpp"

#include "kernels/cuda/lanes.hpp"

namespace troupe::kernels::cuda {

KERNEL(rms_norm, RmsNorm) {
  constexpr int staged = 2048;  // columns, which all threads fetch for the 16 that add
  SHARED(float, column, staged);
  SHARED(float, factor, 1);
  const int thread = int(threadIdx.x);
  const float* const x = k.x + std::int64_t(blockIdx.x) * k.stride;
  float squares = 0;
  for (std::int64_t first = 0; first < k.n; first += staged) {
    const int count = int(k.n - first < staged ? k.n - first : staged);
    for (int i = thread; i < count; i += k.threads) column[i] = x[first + i];
    __syncthreads();
    if (thread < lanes)
      for (int i = thread; i < count; i += lanes) squares = fmaf(column[i], column[i], squares);
    __syncthreads();
  }
  if (thread < 32) {
    const float sum = sum_of_lanes(squares);
    if (thread == 0) factor[0] = 1 / sqrtf(sum / float(k.n) + k.epsilon);
  }
  __syncthreads();
  float* const out = k.out + std::int64_t(blockIdx.x) * k.n;
  for (std::int64_t i = thread; i < k.n; i += k.threads) out[i] = x[i] * factor[0] * k.weight[i];
}

// Rows are short: the lanes fetch what they add.
KERNEL(layer_norm, LayerNorm) {
  SHARED(float, shared, 2);  // the mean, and what a row is multiplied by
  const int thread = int(threadIdx.x);
  const float* const x = k.x + std::int64_t(blockIdx.x) * k.n;
  if (thread < 32) {
    float sum = 0, squares = 0;
    if (thread < lanes)
      for (std::int64_t i = thread; i < k.n; i += lanes) sum = sum + x[i];
    const float mean = sum_of_lanes(sum) / float(k.n);
    if (thread < lanes)
      for (std::int64_t i = thread; i < k.n; i += lanes) squares = fmaf(x[i] - mean, x[i] - mean, squares);
    squares = sum_of_lanes(squares);
    if (thread == 0) {
      shared[0] = mean;
      shared[1] = 1 / sqrtf(squares / float(k.n) + k.epsilon);
    }
  }
  __syncthreads();
  float* const out = k.out + std::int64_t(blockIdx.x) * k.n;
  for (std::int64_t i = thread; i < k.n; i += k.threads)
    out[i] = (x[i] - shared[0]) * shared[1] * k.weight[i] + k.bias[i];
}

}  // namespace troupe::kernels::cuda
