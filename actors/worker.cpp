#include "actors/worker.hpp"

#include <unistd.h>

#include "actors/expert_shard.hpp"
#include "runtime/base/log.hpp"

namespace troupe::actors {
namespace {

using Self = WorkerHandle::stateful_pointer<WorkerState>;

runtime::GpuExchange gpu_exchange(const LoadModel& model) {
  using By = runtime::GpuExchange::By;
  if (model.device != "cuda" || model.gpu_communicator == "host") return {};
  // Its node sees the process end, as if it had crashed.
  const auto stuck = [rank = model.life.rank](const std::string& why) {
    log_event(LogLevel::error, "worker_stuck", {{"rank", rank}, {"error", why}});
    _exit(1);
  };
  return {model.gpu_communicator == "nccl" ? By::nccl : By::nccl_if_all_have_it, nullptr, stuck};
}

void join(Self self, const JoinEpoch& order) {
  auto& state = self->state;
  if (!state.model || (state.link && state.link->epoch() >= order.epoch)) return;  // it is over, or nonsense
  if (state.link) state.link->abort();
  runtime::EpochLinkOptions options;
  options.epoch = order.epoch;
  options.sharding = state.model->sharding;
  options.network = state.options.network;
  options.secret = order.secret;
  options.host = state.options.host;
  options.ticks = state.options.ticks;
  options.gpus = gpu_exchange(*state.model);
  // Called from the compute thread; the handle is a copy that it may use.
  auto publish = [supervisor = state.supervisor, epoch = order.epoch](const std::string& key,
                                                                      const std::string& address) {
    caf::anon_send(supervisor, RankAddress{epoch, key, address});
  };
  state.link = std::make_shared<runtime::EpochLink>(std::move(options), std::move(publish));
  self->send(state.compute, JoinOrder{order, state.link, state.supervisor});
}

void load(Self self, const LoadModel& order) {
  auto& state = self->state;
  if (state.link) state.link->abort();  // a wait in it would keep the answer back
  state.model = order;
  if (!state.grammars) {
    const auto& given = state.options.compile_grammar;
    state.grammars = std::make_shared<runtime::GrammarShelf>(
        given ? given
              : runtime::compile_for(order.checkpoint, {.bytes = order.grammar_cache_bytes,
                                                        .timeout = order.grammar_compile_timeout}));
  }
  self->send(state.compute, LoadOrder{order, state.supervisor});
}

void learn(Self self, const LearnGrammar& order) {
  auto& state = self->state;
  if (!state.grammars) return;  // it has no weights yet, and serves nobody
  const auto scheduler = caf::actor_cast<SchedulerHandle>(self->current_sender());
  GrammarReady ready{grammar_id(order.grammar), order.telling, state.model->life.rank, {}};
  state.grammars->learn(order.grammar, [ready, scheduler](const Expected<void>& made) mutable {
    if (!made) ready.failure = made.error().message;
    caf::anon_send(scheduler, ready);
  });
}

void compute_step(Self self, const runtime::StepPlan& plan) {
  auto& state = self->state;
  const auto scheduler = caf::actor_cast<SchedulerHandle>(self->current_sender());
  auto grammars = state.grammars ? state.grammars->of(plan) : runtime::Grammars{};
  self->send(state.compute, StepOrder{plan, std::move(grammars), scheduler, state.supervisor, state.experts});
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

// The supervisor's first word over a link: after a cut one, its handle from before leads nowhere.
void heed(Self self) {
  auto& state = self->state;
  state.supervisor = caf::actor_cast<ReplicaSupervisorHandle>(self->current_sender());
  if (state.experts) {
    self->demonitor(state.experts.address());
    self->send_exit(state.experts, caf::exit_reason::user_shutdown);
  }
  state.experts = spawn_experts(self);
}

}  // namespace

WorkerHandle::behavior_type worker(Self self, WorkerOptions options, ComputeHandle compute) {
  auto& state = self->state;
  state.options = std::move(options);
  state.compute = std::move(compute);
  self->monitor(state.compute);
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
        heed(self);
        load(self, order);
      },
      [self](const MakeCache& order) {
        self->send(self->state.compute, CacheOrder{order, self->state.supervisor});
      },
      [self](const JoinEpoch& order) { join(self, order); },
      [self](const RankAddress& address) {
        const auto& link = self->state.link;
        if (link && link->epoch() == address.epoch) link->address_arrived(address.key, address.address);
      },
      [self](const runtime::AbortEpochs& order) {
        const auto& link = self->state.link;
        if (link && link->epoch() < order.before) link->abort();
      },
      [self](const LearnGrammar& order) { learn(self, order); },
      [self](const ForgetGrammar& order) {
        if (self->state.grammars) self->state.grammars->forget(order.id);
      },
      [self](const runtime::StepPlan& plan) { compute_step(self, plan); },
      [self](const Drill& drill) {
        if (drill.kind == Drill::Kind::crash_expert_shard)
          self->send(self->state.experts, drill);
        else
          self->send(self->state.compute, drill);
      },
  };
}

}  // namespace troupe::actors
