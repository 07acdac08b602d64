#include "actors/expert_shard.hpp"

namespace troupe::actors {

ExpertShardHandle::behavior_type expert_shard(ExpertShardHandle::stateful_pointer<ExpertShardState> self,
                                              std::shared_ptr<Metrics> metrics) {
  self->state.metrics = std::move(metrics);
  return {
      [self](const ExpertLoad& load) {
        self->state.load = load;
        self->state.metrics->expert_load(load.tokens);
      },
      [self](caf::get_atom) { return self->state.load; },
  };
}

}  // namespace troupe::actors
