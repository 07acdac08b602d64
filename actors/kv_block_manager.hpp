// Glue between messages and runtime::BlockPool; decides nothing itself. One per attention group.
#pragma once

#include "actors/handles.hpp"
#include "actors/metrics.hpp"
#include "runtime/block_pool.hpp"

namespace troupe::actors {

struct KvBlockManagerState {
  static inline const char* name = "kv_block_manager";
  std::optional<runtime::BlockPool> pool;
  std::shared_ptr<Metrics> metrics;
  Epoch epoch = 0;
};

struct KvBlockManagerSettings {
  std::int32_t blocks = 0;
  std::int32_t block_size = 16;
  bool prefix_caching = true;
  Epoch epoch = 0;
  std::shared_ptr<Metrics> metrics;
};

// A request of an older epoch is answered with no grants.
KvBlockManagerHandle::behavior_type kv_block_manager(
    KvBlockManagerHandle::stateful_pointer<KvBlockManagerState> self, KvBlockManagerSettings settings);

}  // namespace troupe::actors
