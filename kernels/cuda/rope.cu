#include "kernels/cuda/rope.hpp"

#include "kernels/cuda/kernel.hpp"

namespace troupe::kernels::cuda {

KERNEL(rope, Rope) {
  const std::int64_t row = blockIdx.x, head = blockIdx.y * k.heads_at_once() + threadIdx.x / k.half;
  const std::int64_t pair = threadIdx.x % k.half;
  const bool mine = head < k.heads && std::int64_t(threadIdx.x) < k.heads_at_once() * k.half &&
                    k.step.first_block[row] >= 0;
  float a = 0, b = 0;
  if (mine) {
    const float* const x = k.x + (row * k.heads + head) * k.x_width + k.x_first;
    a = x[pair * k.next];
    b = x[pair * k.next + k.apart];
  }
  __syncthreads();  // where out is x, pairs may lie where halves go
  if (!mine) return;
  const std::int64_t angle = std::int64_t{k.step.position[row]} * k.half + pair;
  float* const out = k.out + (row * k.heads + head) * k.out_width + k.out_first;
  out[pair] = a * k.cos[angle] - b * k.sin[angle];
  out[k.half + pair] = b * k.cos[angle] + a * k.sin[angle];
}

}  // namespace troupe::kernels::cuda
