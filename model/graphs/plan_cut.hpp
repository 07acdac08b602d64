// Which part of a matrix a rank has. Pure functions; any thread.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/ops.hpp"
#include "model/checkpoint/weights.hpp"
#include "model/sharding.hpp"

namespace troupe::model {

inline Slice all(std::int64_t count) {
  return {0, count};
}

// This rank's share of things that its group splits evenly, such as heads.
inline Slice even_part(const ShardingPlan& plan, std::int64_t count) {
  const std::int64_t part = count / plan.tensor_parallel;
  return {plan.group_rank() * part, part};
}

// Rows of a matrix that the ranks of a group share: of each, the last ones' padded; and this rank's.
inline std::int64_t padded_part(const ShardingPlan& plan, std::int64_t rows) {
  return (rows + plan.tensor_parallel - 1) / plan.tensor_parallel;
}
inline Slice rows_of(const ShardingPlan& plan, std::int64_t rows) {
  const std::int64_t part = padded_part(plan, rows), first = std::min(plan.group_rank() * part, rows);
  return {first, std::min(part, rows - first)};
}

// The rank's part of a sum of so many shards that so many ranks share.
inline kernels::VirtualShards shards_of(int rank, int ranks, int shards, std::int64_t columns) {
  const int count = shards / ranks;
  return {rank * count, count, shards, columns};
}
inline kernels::VirtualShards group_shards(const ShardingPlan& plan, std::int64_t columns) {
  return shards_of(plan.group_rank(), plan.tensor_parallel, plan.virtual_shards, columns);
}
inline Slice columns_of(const kernels::VirtualShards& shards) {
  const std::int64_t first = shards.begin(shards.first);
  return {first, shards.begin(shards.first + shards.count) - first};
}

}  // namespace troupe::model
