#include "actors/kv_block_manager.hpp"

namespace troupe::actors {

KvBlockManagerHandle::behavior_type kv_block_manager(
    KvBlockManagerHandle::stateful_pointer<KvBlockManagerState> self, KvBlockManagerSettings settings) {
  self->state.pool.emplace(settings.blocks, settings.block_size, settings.prefix_caching);
  self->state.epoch = settings.epoch;
  return {
      [self](const runtime::BlockRequest& request) {
        auto& state = self->state;
        if (request.epoch == state.epoch) return state.pool->reserve(request);
        runtime::BlockReply stale;
        stale.epoch = request.epoch;
        stale.usage = state.pool->usage();
        return stale;
      },
      [self](const VoidBlocks& order) {
        self->state.pool->reset();
        self->state.epoch = order.epoch;
      },
  };
}

}  // namespace troupe::actors
