// Random tensor values from a counter: element i depends on the key and on i alone, and is computed with
// integers and exactly rounded operations, so that it is the same on any machine. Pure functions; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "kernels/tensor.hpp"

namespace troupe::model {

// Uniform in (centre - bound, centre + bound). f8_e4m3: uniform over its range (-448, 448), whatever the two
// say; the block scales bring it to size.
struct SynthValues {
  kernels::DType dtype = kernels::DType::f32;  // f32, bf16 or f8_e4m3
  std::uint64_t key = 0;
  float centre = 0, bound = 1;
};

constexpr float fp8_largest = 448;
constexpr std::size_t synth_step = 8;  // elements: pieces begin at multiples of it

// A key of its own for each tensor of a checkpoint.
std::uint64_t synth_key(std::uint64_t seed, std::string_view tensor);
// Elements [first, first + out.size() / size_of(dtype)); first is a multiple of synth_step.
void fill_synth(const SynthValues& values, std::uint64_t first, std::span<std::byte> out);

}  // namespace troupe::model
