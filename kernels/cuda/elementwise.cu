#include "kernels/cuda/elementwise.hpp"

#include "kernels/cuda/exp.hpp"

namespace troupe::kernels::cuda {

KERNEL(silu_mul, SiluMul) {
  const std::int64_t i = std::int64_t(blockIdx.x) * k.threads + threadIdx.x;
  const std::int64_t elements = k.rows != nullptr ? *k.rows * k.width : k.elements;
  if (i < elements) k.gate[i] = silu(k.gate[i]) * k.up[i];
}

KERNEL(add, Add) {
  const std::int64_t i = std::int64_t(blockIdx.x) * k.threads + threadIdx.x;
  if (i < k.elements) k.x[i] = k.x[i] + k.y[i];
}

KERNEL(add_row, AddRow) {
  const std::int64_t i = std::int64_t(blockIdx.x) * k.threads + threadIdx.x;
  if (i < k.elements) k.x[i] = k.x[i] + k.row[i % k.n];
}

KERNEL(weighted_sum, WeightedSum) {
  const std::int64_t i = std::int64_t(blockIdx.x) * k.threads + threadIdx.x;
  if (i >= k.tokens * k.n) return;
  const std::int64_t token = i / k.n, column = i % k.n;
  const float* const weights = k.weights + token * k.slots;
  const float* const rows = k.rows + token * k.slots * k.n + column;
  float total = weights[0] * rows[0];
  for (std::int64_t s = 1; s < k.slots; ++s) total = fmaf(weights[s], rows[s * k.n], total);
  k.out[i] = total;
}

}  // namespace troupe::kernels::cuda
