// What the kernels of select_keys.cu are given: see kernel.hpp. Plain data, with pointers to the device's memory.
#pragma once

#include <cstdint>

#include "kernels/cuda/layer_cache.hpp"

namespace troupe::kernels::cuda {

// A block is a row.
struct SelectKeys {
  static constexpr int threads = 256;
  constexpr const char* kernel() const { return form.plain() ? "select_keys" : "select_keys_encoded"; }

  const float *q, *weights;  // [T, heads, elements of a key], [T, heads]
  std::int64_t heads;
  const float* cache;
  CachePlace place;
  EntryForm form;
  std::int64_t first_row;  // of the first block
  float* scores;           // [blocks, positions]
  std::int64_t positions, most;
  std::int32_t* out;  // [T, most]
};

}  // namespace troupe::kernels::cuda
