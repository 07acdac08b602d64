// How the columns of a product are cut into the blocks of its chains. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/ops.hpp"

namespace troupe::kernels {

// Columns of a weight whose products are added from zero, and then to the sum of their shard.
struct ChainBlock {
  std::int64_t begin = 0, end = 0;
  std::int64_t scale_column = 0;  // of FP8 scales
  bool ends_shard = false;
};

// Appends the blocks of all shards; an empty shard is an empty block.
void cut_into_blocks(const Weight& w, const VirtualShards& shards, std::vector<ChainBlock>& blocks);

}  // namespace troupe::kernels
