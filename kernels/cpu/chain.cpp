#include "kernels/cpu/chain.hpp"

#include <algorithm>

namespace troupe::kernels {

void cut_into_blocks(const Weight& w, const VirtualShards& shards, std::vector<ChainBlock>& blocks) {
  const bool scaled = w.dtype == DType::f8_e4m3;
  const std::int64_t origin = shards.begin(shards.first);
  std::int64_t end = 0;
  for (int shard = shards.first; shard < shards.first + shards.count; ++shard) {
    std::int64_t begin = end;
    const std::int64_t shard_end = shards.begin(shard + 1) - origin;
    do {
      // An empty block has no column whose scale there is.
      const std::int64_t scale_column = scaled && begin < shard_end ? (w.col0 + begin) / w.block_cols : 0;
      end = std::min(begin + chain_block, shard_end);
      if (scaled && begin < shard_end) end = std::min(end, (scale_column + 1) * w.block_cols - w.col0);
      blocks.push_back(
          {.begin = begin, .end = end, .scale_column = scale_column, .ends_shard = end == shard_end});
      begin = end;
    } while (end < shard_end);
  }
}

}  // namespace troupe::kernels
