// Operations on a device of the emulated machine that there is.
#pragma once

#include <memory>

#include "kernels/cuda/cuda_ops.hpp"
#include "tests/kernels/cuda/emulated/device.hpp"

namespace troupe::kernels::cuda::emulated {

inline std::unique_ptr<Ops> make_ops(int device = 0, TickBoard* ticks = nullptr) {
  return std::make_unique<CudaOps>(std::make_shared<Gpu>(Machine::calls(), Machine::images(), device), ticks);
}

}  // namespace troupe::kernels::cuda::emulated
