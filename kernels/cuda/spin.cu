#include "kernels/cuda/spin.hpp"

#include "kernels/cuda/kernel.hpp"

namespace troupe::kernels::cuda {

KERNEL(spin, Spin) {
  while (*k.end == 0) continue;
}

}  // namespace troupe::kernels::cuda
