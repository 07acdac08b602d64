#include "runtime/execution/kv_size.hpp"

#include <algorithm>
#include <limits>
#include <string>

#include "runtime/base/out_of_memory.hpp"

namespace troupe::runtime {
namespace {

// In units that a person reads.
std::string mebibytes(std::size_t bytes) {
  return std::to_string(bytes >> 20) + " MiB";
}

// Of a rank's part what it may use, the weights included.
std::size_t share_of(const KvBudget& budget, const kernels::DeviceMemory& memory) {
  return std::size_t(double(limit_of(budget, memory)) * budget.memory_utilization);
}

[[noreturn]] void refuse_room(const KvBudget& budget, const KvShape& shape,
                              const kernels::DeviceMemory& memory) {
  const std::size_t granted = granted_bytes(budget, memory);
  const std::size_t sequence =
      std::size_t(full_length_blocks(shape)) * std::size_t(shape.block_size) * shape.bytes_per_token;
  const std::string why = budget.bytes > 0 ? mebibytes(granted) + " were set for it"
                                           : "of " + mebibytes(limit_of(budget, memory)) + " memory " +
                                                 mebibytes(share_of(budget, memory)) + " may be used and " +
                                                 mebibytes(memory.used) + " are in use";
  throw OutOfMemory(
      "one sequence of " + std::to_string(shape.max_model_len) + " tokens takes " + std::to_string(sequence) +
          " bytes, and " + std::to_string(granted) + " are left for the cache: " + why,
      "KV cache",
      "lower --max-model-len, raise --gpu-memory-utilization or the KV cache's size in bytes, or take a "
      "smaller --kv-cache-dtype");
}

}  // namespace

std::size_t limit_of(const KvBudget& budget, const kernels::DeviceMemory& memory) {
  return memory.limit / std::size_t(memory.of_host ? budget.ranks_of_host : 1);
}

std::size_t granted_bytes(const KvBudget& budget, const kernels::DeviceMemory& memory) {
  CHECK(budget.bytes > 0 || (budget.memory_utilization > 0 && budget.memory_utilization <= 1));
  if (budget.bytes > 0) return budget.bytes;
  const std::size_t share = share_of(budget, memory);
  return share - std::min(share, memory.used);
}

std::int32_t blocks_in(std::size_t bytes, const KvShape& shape) {
  CHECK(shape.bytes_per_token > 0 && shape.block_size > 0 && shape.max_model_len > 0);
  const std::size_t most = std::numeric_limits<std::int32_t>::max();
  return std::int32_t(std::min(bytes / (shape.bytes_per_token * std::size_t(shape.block_size)), most));
}

std::int32_t full_length_blocks(const KvShape& shape) {
  return (shape.max_model_len - 1) / shape.block_size + 1;
}

bool holds_a_sequence(const KvBudget& budget, const KvShape& shape, const kernels::DeviceMemory& memory) {
  return blocks_in(granted_bytes(budget, memory), shape) >= full_length_blocks(shape);
}

KvSize kv_size(const KvBudget& budget, const KvShape& shape, const kernels::DeviceMemory& memory) {
  const std::int32_t blocks = blocks_in(granted_bytes(budget, memory), shape);
  const std::int32_t full_length = full_length_blocks(shape);
  if (!holds_a_sequence(budget, shape, memory)) refuse_room(budget, shape, memory);
  // A share of a large memory is more than a small model can use.
  std::int32_t kept = blocks;
  if (budget.bytes == 0 && budget.max_sequences > 0)
    kept = std::int32_t(std::min<std::int64_t>(blocks, std::int64_t{budget.max_sequences} * full_length));
  const std::size_t block_bytes = shape.bytes_per_token * std::size_t(shape.block_size);
  return {std::size_t(kept) * block_bytes, kept, kept / full_length};
}

kernels::CacheType kv_cache_type(std::string_view dtype, std::int64_t max_model_len) {
  if (const auto named = kernels::cache_type_of(dtype)) return *named;
  CHECK(dtype == "auto", "a type of cache that settings do not permit");
  return max_model_len < auto_bf16_positions ? kernels::CacheType::f32 : kernels::CacheType::bf16;
}

}  // namespace troupe::runtime
