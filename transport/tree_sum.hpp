// The arithmetic that every Communicator shares, so that all give the same bytes. Pure functions.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace troupe::transport {

constexpr std::size_t tree_sum_block = 1024;  // floats that are summed at a time, so that they stay in cache

// Adds the floats of `ranks` (a power of two) parts along the binary tree, neighbours first, then pairs of
// pairs. Part r begins at parts + r * stride and has count floats; the sum replaces part 0, the others are
// left in pieces.
inline void tree_sum(float* parts, std::size_t ranks, std::size_t stride, std::size_t count) {
  for (std::size_t begin = 0; begin < count; begin += tree_sum_block) {
    const std::size_t end = std::min(begin + tree_sum_block, count);
    for (std::size_t apart = 1; apart < ranks; apart *= 2) {
      for (std::size_t r = 0; r < ranks; r += 2 * apart) {
        float* const left = parts + r * stride;
        const float* const right = parts + (r + apart) * stride;
        for (std::size_t i = begin; i < end; ++i) left[i] += right[i];
      }
    }
  }
}

}  // namespace troupe::transport
