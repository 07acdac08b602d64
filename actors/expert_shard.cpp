#include "actors/expert_shard.hpp"

namespace troupe::actors {
namespace {

constexpr std::chrono::milliseconds report_interval{500};

}  // namespace

ExpertShardHandle::behavior_type expert_shard(ExpertShardHandle::stateful_pointer<ExpertShardState> self,
                                              ReplicaSupervisorHandle supervisor) {
  self->state.supervisor = std::move(supervisor);
  return {
      [self](const ExpertLoad& load) {
        self->state.load = load;
        if (!std::exchange(self->state.reporting, true)) self->delayed_send(self, report_interval, Due{});
      },
      [self](const Due&) {
        self->state.reporting = false;
        self->send(self->state.supervisor, self->state.load);
      },
      [self](const Drill&) { self->quit(caf::make_error(caf::sec::runtime_error, "fault drill")); },
  };
}

}  // namespace troupe::actors
