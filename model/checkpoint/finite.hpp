// Whether stored weights are numbers at all. Pure; any thread.
#pragma once

#include <cstddef>
#include <span>

#include "kernels/tensor.hpp"

namespace troupe::model {

// No NaN and no infinity among values of a floating-point type (CHECKed). bytes: unaligned, whole elements or blocks.
bool all_finite(kernels::DType dtype, std::span<const std::byte> bytes);

}  // namespace troupe::model
