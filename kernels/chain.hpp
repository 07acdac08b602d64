// How the columns of a product are cut into the blocks of its chains, the same on every device. Pure functions; any
// thread.
#pragma once

#include <cstdint>

#include "kernels/ops.hpp"

namespace troupe::kernels {

// Columns of a weight whose products are added from zero, and then to the sum of their shard.
struct ChainBlock {
  std::int64_t begin = 0, end = 0;
  std::int64_t scale_column = 0;  // of scales
  bool ends_shard = false;
};

// The blocks of all shards that a weight's columns are, in order; an empty shard is an empty block.
class ChainCut {
 public:
  constexpr ChainCut(const Weight& w, const VirtualShards& shards)
      : w_(w), shards_(shards), shard_(shards.first), shard_end_(end_of(shards.first)) {}

  constexpr bool done() const { return shard_ == shards_.first + shards_.count; }
  constexpr ChainBlock next() {
    const bool scaled = is_scaled(w_.dtype) && at_ < shard_end_;
    // An empty block has no column whose scale there is.
    const std::int64_t scale_column = scaled ? (w_.col0 + at_) / w_.block_cols : 0;
    std::int64_t end = least(at_ + chain_block, shard_end_);
    if (scaled) end = least(end, (scale_column + 1) * w_.block_cols - w_.col0);
    const ChainBlock block{
        .begin = at_, .end = end, .scale_column = scale_column, .ends_shard = end == shard_end_};
    at_ = end;
    if (block.ends_shard && ++shard_ < shards_.first + shards_.count) shard_end_ = end_of(shard_);
    return block;
  }

 private:
  static constexpr std::int64_t least(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
  constexpr std::int64_t end_of(int shard) const {
    return shards_.begin(shard + 1) - shards_.begin(shards_.first);
  }

  const Weight& w_;
  const VirtualShards& shards_;
  int shard_;
  std::int64_t shard_end_, at_ = 0;
};

// One shard that is all of w's columns.
constexpr VirtualShards whole(const Weight& w) {
  return {.first = 0, .count = 1, .total = 1, .columns = w.cols};
}

}  // namespace troupe::kernels
