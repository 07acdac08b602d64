#include "actors/compute.hpp"

#include "kernels/cpu/cpu_ops.hpp"
#include "runtime/base/log.hpp"

namespace troupe::actors {
namespace {

using Self = ComputeHandle::stateful_pointer<ComputeState>;

caf::error failure(const std::exception& why, caf::sec kind = caf::sec::runtime_error) {
  return caf::make_error(kind, std::string(why.what()));
}

ModelLoaded load(ComputeState& state, const LoadModel& order) {
  // Asked again, after a cut link.
  if (state.cache) return {std::string(state.ops->arithmetic())};
  const Doing loading(state.options.ticks, Activity::loading);
  state.ops = kernels::make_cpu_ops(state.options.threads, state.options.ticks);
  state.checkpoint = std::make_shared<const model::Checkpoint>(model::Checkpoint::open(order.checkpoint));
  state.decoder = model::load_decoder(*state.checkpoint, *state.ops, sharding_of(order),
                                      {order.max_tokens, order.max_logit_rows, order.max_positions},
                                      state.options.progress, state.options.ticks);
  state.cache = std::make_unique<model::KvCache>(state.decoder->make_cache(order.blocks, order.block_size));
  state.order = order;
  return {std::string(state.ops->arithmetic())};
}

void place(ComputeState& state, const JoinEpoch& order) {
  CHECK(state.decoder != nullptr, "a rank joins an epoch when it has its weights");
  state.executor.reset();
  if (order.experts.empty()) return;
  if (auto placed = state.decoder->place(transport::ExpertPlacement{order.experts}); !placed)
    throw Error(placed.error().message, "placement of experts");
}

// The weights and what the cache holds stay.
Joined join(ComputeState& state, const JoinEpoch& order, std::shared_ptr<runtime::EpochLink> link) {
  state.link = std::move(link);
  const Doing joining(state.options.ticks, Activity::joining);
  state.link->connect();
  state.executor = std::make_unique<runtime::ModelExecutor>(
      *state.ops, *state.decoder, state.link->communicators(), GroupId(sharding_of(state.order).group()),
      *state.cache, state.options.ticks);
  return {order.epoch};
}

void run(Self self, const runtime::StepPlan& plan, const ReplicaSupervisorHandle& supervisor,
         const ExpertShardHandle& experts) {
  auto& state = self->state;
  if (!state.executor || plan.epoch != state.link->epoch()) return;  // of an epoch that is over
  if (std::exchange(state.loses_next_step, false)) return;
  runtime::StepResult result;
  try {
    result = state.executor->execute(plan);
  } catch (const transport::PeerError& error) {
    // Who is at fault is the supervisor's question; this rank waits for the next epoch.
    state.executor.reset();
    self->send(supervisor, StepFailed{state.order.rank, plan.epoch, error.what()});
    return;
  }
  if (sharding_of(state.order).group_rank() != 0) return;
  self->send(caf::actor_cast<SchedulerHandle>(self->current_sender()), std::move(result));
  if (const auto load = state.decoder->expert_load(); !load.empty())
    self->send(experts, ExpertLoad{state.order.rank, {load.begin(), load.end()}});
}

void drill(Self self, Drill::Kind kind) {
  auto& state = self->state;
  if (kind == Drill::Kind::lost_step) {
    state.loses_next_step = true;
  } else if (kind == Drill::Kind::stuck_kernel) {
    const Doing computing(state.options.ticks, Activity::computing);
    for (volatile bool stuck = true; stuck;) continue;
  } else {
    if (state.cache) state.cache->poison();
    self->quit(caf::make_error(caf::sec::runtime_error, "fault drill"));
  }
}

}  // namespace

ComputeHandle::behavior_type compute(Self self, WorkerOptions options) {
  self->state.options = std::move(options);
  return {
      [self](const LoadModel& order) -> caf::result<ModelLoaded> {
        try {
          return load(self->state, order);
        } catch (const std::exception& why) {
          log_event(LogLevel::error, "load_failed", {{"rank", order.rank}, {"error", why.what()}});
          return failure(why);
        }
      },
      [self](const JoinEpoch& order, const std::shared_ptr<runtime::EpochLink>& link) -> caf::result<Joined> {
        try {
          place(self->state, order);
        } catch (const std::exception& why) {
          return failure(why, no_experts);
        }
        try {
          return join(self->state, order, link);
        } catch (const std::exception& why) {
          return failure(why);
        }
      },
      [self](const runtime::StepPlan& plan, const ReplicaSupervisorHandle& supervisor,
             const ExpertShardHandle& experts) {
        try {
          run(self, plan, supervisor, experts);
        } catch (const std::exception& why) {
          log_event(LogLevel::error, "worker_failed",
                    {{"rank", self->state.order.rank}, {"error", why.what()}});
          self->quit(failure(why));
        }
      },
      [self](const Drill& order) { drill(self, order.kind); },
  };
}

}  // namespace troupe::actors
