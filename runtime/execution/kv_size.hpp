// How many KV blocks a rank has room for, by a size in bytes or a share of its device's memory. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>

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

// memory: with the weights in it. Throws Error, with the numbers and the settings to change, when not even one sequence
// of max_model_len fits.
KvSize kv_size(const KvBudget& budget, const KvShape& shape, const kernels::DeviceMemory& memory);

}  // namespace troupe::runtime
