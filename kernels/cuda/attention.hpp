// What the kernels of attention.cu are given: see kernel.hpp. Plain data, with pointers to the device's memory.
#pragma once

#include <cstdint>

#include "kernels/cuda/latent_cache.hpp"

namespace troupe::kernels::cuda {

// Blocks: x: rows, y: heads. A block goes through its row's splits alone.
struct MlaAttention {
  static constexpr int threads = 128;
  static constexpr int most_width = 1024;  // of an entry of the cache
  constexpr const char* kernel() const { return "mla_attention"; }

  const float* q;  // [rows, heads, place.width]
  std::int64_t heads, latent;
  const float* cache;
  CachePlace place;
  float scale;
  float* out;  // [rows, heads, latent]
};

}  // namespace troupe::kernels::cuda
