// Whether stored weights are numbers at all. Pure; any thread.
#pragma once

#include <cstddef>
#include <span>

#include "model/checkpoint/stored_tensor.hpp"

namespace troupe::model {

// No NaN and no infinity among values of a floating-point type (CHECKed). bytes: unaligned, whole elements or blocks.
bool all_finite(kernels::DType dtype, std::span<const std::byte> bytes);
// Of all of a tensor.
bool all_finite(const StoredTensor& tensor);

}  // namespace troupe::model
