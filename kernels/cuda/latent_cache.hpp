// What the kernels of latent_cache.cu are given: see kernel.hpp. Plain data, with pointers to the device's memory.
#pragma once

#include <cstdint>

#include "kernels/cuda/step.hpp"

namespace troupe::kernels::cuda {

// Where a position of a row's sequence stands in a latent cache, [blocks, block_size, width].
struct CachePlace {
  StagedStep step;
  std::int64_t block_size, width;

  constexpr std::int64_t entry(std::int64_t row, std::int64_t position) const {
    const std::int64_t block = step.blocks[step.first_block[row] + position / block_size];
    return (block * block_size + position % block_size) * width;
  }
};

// A block is a row.
struct StoreLatent {
  static constexpr int threads = 128;
  constexpr const char* kernel() const { return "store_latent"; }

  const float *latent, *rope_key;  // [rows, latents], [rows, width - latents]
  std::int64_t latents;
  CachePlace place;
  float* cache;
};

}  // namespace troupe::kernels::cuda
