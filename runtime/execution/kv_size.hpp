// How many KV blocks a rank gets, from a size in bytes or a share of the machine's memory. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>

namespace troupe::runtime {

// Bytes that this process may use: the smallest of the machine's memory and its control groups' limits (v1
// and v2). root: where proc/ and sys/ stand. Throws Error when the machine does not tell.
std::size_t memory_limit(const std::filesystem::path& root = "/");
// Bytes that this process has resident, mapped files included.
std::size_t memory_resident(const std::filesystem::path& root = "/");

struct KvBudget {
  std::optional<std::size_t> bytes;  // when set, memory_utilization is of no account
  double memory_utilization = 0;     // of memory_limit, used memory included; in (0, 1]
};

struct KvShape {
  std::size_t bytes_per_token = 0;  // all layers of the rank
  std::int32_t block_size = 0;      // tokens
  std::int32_t max_model_len = 0;   // tokens
};

struct KvSize {
  std::size_t bytes = 0;
  std::int32_t blocks = 0;
  std::int32_t full_length_sequences = 0;  // of max_model_len that fit at the same time
};

// limit: memory_limit(); used: bytes that others and the weights take of it. Throws Error, with the numbers
// and the settings to change, when not even one sequence of max_model_len fits.
KvSize kv_size(const KvBudget& budget, const KvShape& shape, std::size_t limit, std::size_t used);

// The same, cut to what so many full-length sequences take: a share of a large machine's memory is more than
// a small model can use.
KvSize at_most(KvSize size, const KvShape& shape, std::int32_t sequences);

}  // namespace troupe::runtime
