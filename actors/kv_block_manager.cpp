#include "actors/kv_block_manager.hpp"

namespace troupe::actors {

KvBlockManagerHandle::behavior_type kv_block_manager(
    KvBlockManagerHandle::stateful_pointer<KvBlockManagerState> self, KvBlockManagerSettings settings) {
  auto& state = self->state;
  state.pool.emplace(settings.blocks, settings.block_size, settings.prefix_caching, settings.generation);
  state.group = settings.group;
  state.metrics = std::move(settings.metrics);
  state.metrics->cache_config(settings.group, settings.blocks, settings.block_size, settings.prefix_caching);
  return {
      [self](const runtime::BlockRequest& request) {
        auto& state = self->state;
        auto reply = state.pool->reserve(request);
        state.metrics->blocks(state.group, state.pool->usage());
        return reply;
      },
      [self](const runtime::VoidBlocks& order) {
        auto& state = self->state;
        state.pool->reset(order.generation);
        state.metrics->blocks(state.group, state.pool->usage());
      },
      [self](const Drill&) { self->quit(caf::make_error(caf::sec::runtime_error, "fault drill")); },
  };
}

}  // namespace troupe::actors
