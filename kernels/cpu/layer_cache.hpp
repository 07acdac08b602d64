// Where a sequence's entries stand in a layer's cache. Thread-safe.
#pragma once

#include "kernels/ops.hpp"

namespace troupe::kernels {

// The entry of one position.
inline float* cache_entry(const LayerCache& cache, const SequenceLayout& sequence, std::int64_t position) {
  const std::int64_t block_size = cache.block_size(), index = position / block_size;
  CHECK(index < std::int64_t(sequence.blocks.size()), "position beyond the block table");
  const BlockId block = sequence.blocks[std::size_t(index)];
  CHECK(block >= 0 && block < cache.data.rows(), "block beyond the cache");
  return cache.data.as<float>() + (block * block_size + position % block_size) * cache.data.shape(2);
}

}  // namespace troupe::kernels
