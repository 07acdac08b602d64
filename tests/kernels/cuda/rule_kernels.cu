#include "tests/kernels/cuda/rule_kernels.hpp"

#include "kernels/cuda/kernel.hpp"

namespace troupe::kernels::cuda {

KERNEL(sum_of_all, SumOfAll) {
  SHARED(float, seen, SumOfAll::threads);
  const int thread = int(threadIdx.x);
  float sum = 0;
  for (std::int64_t round = 0; round < k.rounds; ++round) {
    seen[k.broken == Broken::shared_bounds ? thread + 1 : thread] = k.x[round * k.threads + thread];
    if (k.broken != Broken::first_barrier && (k.broken != Broken::some_arrive || thread % 2 == 0))
      __syncthreads();
    for (int i = 0; i < k.threads; ++i) sum += seen[i];
    if (k.broken != Broken::second_barrier) __syncthreads();
  }
  k.out[thread] = sum;
}

KERNEL(sum_of_warp, SumOfWarp) {
  const int thread = int(threadIdx.x);
  float sum = k.x[thread];
  if (k.broken == Broken::lost_lane && thread == 5) return;
  for (int apart = 16; apart > 0; apart /= 2) sum += __shfl_xor_sync(~0u, sum, apart);
  k.out[thread] = sum;
}

KERNEL(advance, Advance) {
  const std::int64_t i = std::int64_t(blockIdx.x) * k.threads + threadIdx.x;
  const std::int64_t n = k.n + (k.broken == Broken::padding         ? 1
                                : k.broken == Broken::memory_bounds ? 4096
                                                                    : 0);
  if (i < n) k.x[i] = 2 * k.x[i] + 1;
}

}  // namespace troupe::kernels::cuda
