// How many KV blocks a rank has room for, by a size in bytes or a share of its device's memory. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "kernels/ops.hpp"
#include "runtime/base/kv_budget.hpp"

namespace troupe::runtime {

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

// Its parts, of which none refuses anything. Bytes for the cache; memory: with the weights in it.
std::size_t granted_bytes(const KvBudget& budget, const kernels::DeviceMemory& memory);
std::int32_t blocks_in(std::size_t bytes, const KvShape& shape);
std::int32_t full_length_blocks(const KvShape& shape);  // of a sequence of max_model_len
// A rank's part of the device's memory.
std::size_t limit_of(const KvBudget& budget, const kernels::DeviceMemory& memory);
bool holds_a_sequence(const KvBudget& budget, const KvShape& shape, const kernels::DeviceMemory& memory);

// memory: with the weights in it. Throws OutOfMemory, with the numbers and the settings to change, when not even one sequence
// of max_model_len fits.
KvSize kv_size(const KvBudget& budget, const KvShape& shape, const kernels::DeviceMemory& memory);

// What --kv-cache-dtype names; auto is F32 below so many positions, where a cache is small beside the weights, and else
// BF16. On every device: those of one arithmetic give the same bytes.
constexpr std::int64_t auto_bf16_positions = 8192;
kernels::CacheType kv_cache_type(std::string_view dtype, std::int64_t max_model_len);

}  // namespace troupe::runtime
