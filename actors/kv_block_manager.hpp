// Glue between messages and runtime::BlockPool; decides nothing itself. One per attention group.
#pragma once

#include "actors/handles.hpp"
#include "actors/metrics.hpp"
#include "runtime/scheduling/block_pool.hpp"

namespace troupe::actors {

struct KvBlockManagerState {
  static inline const char* name = "kv_block_manager";
  std::optional<runtime::BlockPool> pool;
  std::shared_ptr<Metrics> metrics;
  GroupId group = 0;
};

struct KvBlockManagerSettings {
  std::int32_t blocks = 0;
  std::int32_t block_size = 0;
  bool prefix_caching = false;
  GroupId group = 0;
  std::uint64_t generation = 0;  // of the cache: the epoch that it began with
  std::shared_ptr<Metrics> metrics;
};

KvBlockManagerHandle::behavior_type kv_block_manager(
    KvBlockManagerHandle::stateful_pointer<KvBlockManagerState> self, KvBlockManagerSettings settings);

}  // namespace troupe::actors
