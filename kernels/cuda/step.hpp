// What CudaOps::stage makes of a step's layout: lists in the memory of the device. Plain data.
#pragma once

#include <cstdint>

#include "runtime/base/ids.hpp"

namespace troupe::kernels::cuda {

struct StagedStep {
  const std::int32_t* position = nullptr;  // [T], of each row
  const std::int32_t* first_block =
      nullptr;                      // [T]: where the blocks of its sequence begin; -1: a row of no sequence
  const BlockId* blocks = nullptr;  // of all sequences
};

}  // namespace troupe::kernels::cuda
