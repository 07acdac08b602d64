// Turns weights into other types, those that are stored in blocks above all. Pure functions; any thread.
#pragma once

#include <cstddef>
#include <span>

#include "kernels/tensor.hpp"

namespace troupe::model {

// To any type of ggml's: rows of whole blocks (CHECKed) of finite weights, and as many bytes as row_bytes
// says. F16 and BF16 are rounded to nearest even. Of blocks steps and minima are the best of some that are tried, by the
// sum of squared errors of the values that kernels::Block tells of the bytes.
void quantise(kernels::DType type, std::span<const float> weights, std::span<std::byte> out);

// The weights that bytes of such a type stand for.
void dequantise(kernels::DType type, std::span<const std::byte> bytes, std::span<float> out);

}  // namespace troupe::model
