#include "runtime/execution/kv_size.hpp"

#include <algorithm>
#include <limits>
#include <string>

#include "runtime/base/error.hpp"

namespace troupe::runtime {
namespace {

// In units that a person reads.
std::string mebibytes(std::size_t bytes) {
  return std::to_string(bytes >> 20) + " MiB";
}

}  // namespace

KvSize kv_size(const KvBudget& budget, const KvShape& shape, const kernels::DeviceMemory& memory) {
  CHECK(shape.bytes_per_token > 0 && shape.block_size > 0 && shape.max_model_len > 0);
  CHECK(budget.bytes > 0 || (budget.memory_utilization > 0 && budget.memory_utilization <= 1));
  const std::size_t limit = memory.limit / std::size_t(memory.of_host ? budget.ranks_of_host : 1);
  const auto share = std::size_t(double(limit) * budget.memory_utilization);
  const std::size_t granted = budget.bytes > 0 ? budget.bytes : share - std::min(share, memory.used);

  const std::size_t block_bytes = shape.bytes_per_token * std::size_t(shape.block_size);
  const std::size_t most = std::numeric_limits<std::int32_t>::max();
  const auto blocks = std::int32_t(std::min(granted / block_bytes, most));
  const std::int32_t full_length = (shape.max_model_len - 1) / shape.block_size + 1;  // blocks
  if (blocks < full_length) {
    const std::string why = budget.bytes > 0
                                ? mebibytes(granted) + " were set for it"
                                : "of " + mebibytes(limit) + " memory " + mebibytes(share) +
                                      " may be used and " + mebibytes(memory.used) + " are in use";
    throw Error("one sequence of " + std::to_string(shape.max_model_len) + " tokens takes " +
                    std::to_string(std::size_t(full_length) * block_bytes) + " bytes, and " +
                    std::to_string(granted) + " are left for the cache: " + why,
                "KV cache",
                "lower --max-model-len, or raise --gpu-memory-utilization or the KV cache's size in bytes");
  }
  // A share of a large memory is more than a small model can use.
  std::int32_t kept = blocks;
  if (budget.bytes == 0 && budget.max_sequences > 0)
    kept = std::int32_t(std::min<std::int64_t>(blocks, std::int64_t{budget.max_sequences} * full_length));
  return {std::size_t(kept) * block_bytes, kept, kept / full_length};
}

}  // namespace troupe::runtime
