#include "actors/worker.hpp"

#include "actors/expert_shard.hpp"
#include "runtime/base/log.hpp"

namespace troupe::actors {
namespace {

using Self = WorkerHandle::stateful_pointer<WorkerState>;

caf::result<Joined> join(Self self, const JoinEpoch& order) {
  auto& state = self->state;
  if (!state.sharding || (state.link && state.link->epoch() >= order.epoch))
    return caf::make_error(caf::sec::invalid_argument, "an epoch that is over, or no weights");
  if (state.link) state.link->abort();
  runtime::EpochLinkOptions options;
  options.epoch = order.epoch;
  options.sharding = *state.sharding;
  options.network = state.options.network;
  options.secret = order.secret;
  options.host = state.options.host;
  options.ticks = state.options.ticks;
  // Called from the compute thread; the handle is a copy that it may use.
  auto publish = [supervisor = state.supervisor, epoch = order.epoch](const std::string& key,
                                                                      const std::string& address) {
    caf::anon_send(supervisor, RankAddress{epoch, key, address});
  };
  state.link = std::make_shared<runtime::EpochLink>(std::move(options), std::move(publish));
  return self->delegate(state.compute, order, state.link);
}

ExpertShardHandle spawn_experts(Self self) {
  return self->spawn<caf::monitored>(expert_shard, self->state.supervisor);
}

// The shard of experts can be made anew, since the decoder goes on counting; without the compute actor there
// is no rank.
void on_down(Self self, const caf::down_msg& down) {
  auto& state = self->state;
  if (down.source == state.compute.address()) {
    self->quit(down.reason);
  } else if (state.experts && down.source == state.experts.address()) {
    log_event(LogLevel::warning, "part_died", {{"part", "expert_shard"}});
    state.experts = spawn_experts(self);
  }
}

// Orders come from the supervisor; after a cut link it has another handle.
void obey(Self self) {
  auto& state = self->state;
  state.supervisor = caf::actor_cast<ReplicaSupervisorHandle>(self->current_sender());
  if (state.experts) {
    self->demonitor(state.experts.address());
    self->send_exit(state.experts, caf::exit_reason::user_shutdown);
  }
  state.experts = spawn_experts(self);
}

}  // namespace

WorkerHandle::behavior_type worker(Self self, WorkerOptions options) {
  auto& state = self->state;
  state.options = std::move(options);
  state.compute = state.options.own_thread
                      ? self->spawn<caf::monitored + caf::detached>(compute, state.options)
                      : self->spawn<caf::monitored>(compute, state.options);
  self->set_down_handler([self](const caf::down_msg& down) { on_down(self, down); });
  self->set_exit_handler([self](const caf::exit_msg& exit) {
    auto& state = self->state;
    if (state.link) state.link->abort();
    self->send_exit(state.compute, exit.reason);
    if (state.experts) self->send_exit(state.experts, exit.reason);
    self->quit(exit.reason);
  });
  return {
      [self](const LoadModel& order) {
        if (self->state.link) self->state.link->abort();  // a wait in it would keep the answer back
        self->state.sharding = sharding_of(order);
        return self->delegate(self->state.compute, order);
      },
      [self](const JoinEpoch& order) {
        obey(self);
        return join(self, order);
      },
      [self](const RankAddress& address) {
        const auto& link = self->state.link;
        if (link && link->epoch() == address.epoch) link->address_arrived(address.key, address.address);
      },
      [self](const AbortEpochs& order) {
        const auto& link = self->state.link;
        if (link && link->epoch() < order.before) link->abort();
      },
      [self](const runtime::StepPlan& plan) {
        return self->delegate(self->state.compute, plan, self->state.supervisor, self->state.experts);
      },
      [self](const Drill& drill) {
        if (drill.kind == Drill::Kind::crash_expert_shard)
          self->send(self->state.experts, drill);
        else
          self->send(self->state.compute, drill);
      },
  };
}

}  // namespace troupe::actors
