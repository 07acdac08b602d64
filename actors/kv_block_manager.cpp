#include "actors/kv_block_manager.hpp"

namespace troupe::actors {

KvBlockManagerHandle::behavior_type kv_block_manager(
    KvBlockManagerHandle::stateful_pointer<KvBlockManagerState> self, KvBlockManagerSettings settings) {
  self->state.pool.emplace(settings.blocks, settings.block_size, settings.prefix_caching);
  self->state.epoch = settings.epoch;
  self->state.metrics = std::move(settings.metrics);
  return {
      [self](const runtime::BlockRequest& request) {
        auto& state = self->state;
        runtime::BlockReply reply;
        if (request.epoch == state.epoch)
          reply = state.pool->reserve(request);
        else
          reply.epoch = request.epoch;
        state.metrics->blocks(state.pool->usage());
        return reply;
      },
      [self](const VoidBlocks& order) {
        auto& state = self->state;
        state.pool->reset();
        state.epoch = order.epoch;
        state.metrics->blocks(state.pool->usage());
      },
  };
}

}  // namespace troupe::actors
