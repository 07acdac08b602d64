#include "runtime/execution/kv_size.hpp"

#include <algorithm>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>

#include "runtime/base/error.hpp"

namespace troupe::runtime {
namespace {

namespace fs = std::filesystem;

// The kB of a line such as "MemTotal:  24596508 kB", as bytes.
std::size_t field_of(const fs::path& file, std::string_view field) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(field)) continue;
    std::size_t kilobytes = 0;
    if (std::istringstream(line.substr(field.size())) >> kilobytes) return kilobytes * 1024;
  }
  throw Error("no field " + std::string(field), file.string(), "set the size of the KV cache in bytes");
}

// A file that holds one number; absent, or "max": no limit.
std::size_t limit_in(const fs::path& file) {
  std::ifstream in(file);
  std::size_t bytes = 0;
  return in >> bytes ? bytes : std::numeric_limits<std::size_t>::max();
}

// The smallest limit from a group up to the root of its hierarchy. Inside a container the named folder may
// not exist: then the hierarchy's root is the container's own group.
std::size_t group_limit(const fs::path& hierarchy, const fs::path& group, const char* file) {
  std::size_t limit = limit_in(hierarchy / file);
  fs::path folder = hierarchy;
  for (const fs::path& part : group) limit = std::min(limit, limit_in((folder /= part) / file));
  return limit;
}

// In units that a person reads.
std::string mebibytes(std::size_t bytes) {
  return std::to_string(bytes >> 20) + " MiB";
}

}  // namespace

std::size_t memory_limit(const fs::path& root) {
  std::size_t limit = field_of(root / "proc/meminfo", "MemTotal:");
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // "0::/a/b" (v2) or "4:memory:/a/b" (v1)
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const fs::path group = fs::path(line.substr(second + 1)).relative_path();
    const fs::path mounted = root / "sys/fs/cgroup";
    if (controllers == ",,") limit = std::min(limit, group_limit(mounted, group, "memory.max"));
    if (controllers.find(",memory,") != std::string::npos)
      limit = std::min(limit, group_limit(mounted / "memory", group, "memory.limit_in_bytes"));
  }
  return limit;
}

std::size_t memory_resident(const fs::path& root) {
  return field_of(root / "proc/self/status", "VmRSS:");
}

KvSize kv_size(const KvBudget& budget, const KvShape& shape, std::size_t limit, std::size_t used) {
  CHECK(shape.bytes_per_token > 0 && shape.block_size > 0 && shape.max_model_len > 0);
  CHECK(budget.bytes || (budget.memory_utilization > 0 && budget.memory_utilization <= 1));
  const auto share = std::size_t(double(limit) * budget.memory_utilization);
  const std::size_t granted = budget.bytes.value_or(share - std::min(share, used));

  const std::size_t block_bytes = shape.bytes_per_token * std::size_t(shape.block_size);
  const std::size_t most = std::numeric_limits<std::int32_t>::max();
  const auto blocks = std::int32_t(std::min(granted / block_bytes, most));
  const std::int32_t full_length = (shape.max_model_len - 1) / shape.block_size + 1;  // blocks
  if (blocks < full_length) {
    const std::string why = budget.bytes ? mebibytes(granted) + " were set for it"
                                         : "of " + mebibytes(limit) + " memory " + mebibytes(share) +
                                               " may be used and " + mebibytes(used) + " are in use";
    throw Error("one sequence of " + std::to_string(shape.max_model_len) + " tokens takes " +
                    std::to_string(std::size_t(full_length) * block_bytes) + " bytes, and " +
                    std::to_string(granted) + " are left for the cache: " + why,
                "KV cache",
                "lower --max-model-len, or raise --gpu-memory-utilization or the KV cache's size in bytes");
  }
  return {std::size_t(blocks) * block_bytes, blocks, blocks / full_length};
}

KvSize at_most(KvSize size, const KvShape& shape, std::int32_t sequences) {
  if (size.full_length_sequences <= sequences) return size;
  const std::int32_t full_length = (shape.max_model_len - 1) / shape.block_size + 1;  // blocks
  const std::int32_t blocks = sequences * full_length;
  return {std::size_t(blocks) * shape.bytes_per_token * std::size_t(shape.block_size), blocks, sequences};
}

}  // namespace troupe::runtime
