// Room for so many KV blocks of the demo model.
#pragma once

#include "model/decoder.hpp"
#include "runtime/base/kv_budget.hpp"

namespace troupe::actors {

inline runtime::KvBudget room_for(std::int32_t blocks, std::int32_t block_size) {
  const auto config = model::Checkpoint::open(DEMO_MODEL).config();
  return {.bytes = model::cache_bytes_per_token(config, {}) * std::size_t(blocks) * std::size_t(block_size)};
}

}  // namespace troupe::actors
