// Sums as the CPU's kernels make them: 16 lanes (lane = index mod 16), then a tree over the lanes, 8 apart, 4, 2, 1.
// Here a lane is a thread of a half-warp.
#pragma once

#include "kernels/cuda/kernel.hpp"

namespace troupe::kernels::cuda {

constexpr int lanes = 16;

// The sum over the half-warp that the thread belongs to; all threads of the warp call.
DEVICE float sum_of_lanes(float x) {
  UNROLL for (int apart = lanes / 2; apart > 0; apart /= 2) x = x + __shfl_xor_sync(~0u, x, apart);
  return x;
}

}  // namespace troupe::kernels::cuda
