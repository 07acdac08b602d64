// What the kernels of layer_cache.cu are given: see kernel.hpp. Plain data, with pointers to the device's memory.
#pragma once

#include <cstdint>

#include "kernels/cuda/step.hpp"
#include "kernels/entry_form.hpp"

namespace troupe::kernels::cuda {

// Where a position of a row's sequence stands in a layer's cache, [blocks, block_size, width] words.
struct CachePlace {
  StagedStep step;
  std::int64_t block_size, width;

  constexpr std::int64_t entry(std::int64_t row, std::int64_t position) const {
    const std::int64_t block = step.blocks[step.first_block[row] + position / block_size];
    return (block * block_size + position % block_size) * width;
  }
};

// A block is a row.
struct StoreEntries {
  static constexpr int threads = 128;
  constexpr const char* kernel() const { return "store_entries"; }

  const float *first, *second;  // [rows, form.heads, elements of the part]
  EntryForm form;
  CachePlace place;
  float* cache;
};

}  // namespace troupe::kernels::cuda
