#include "actors/compute.hpp"

#include "kernels/cpu/cpu_ops.hpp"
#include "runtime/base/log.hpp"

namespace troupe::actors {
namespace {

using Self = ComputeHandle::stateful_pointer<ComputeState>;

std::string load(ComputeState& state, const LoadModel& order) {
  if (!state.cache) {  // else it is asked again, after a cut link
    const Doing loading(state.options.ticks, Activity::loading);
    state.ops = kernels::make_cpu_ops(state.options.threads, state.options.ticks);
    state.checkpoint = std::make_shared<const model::Checkpoint>(model::Checkpoint::open(order.checkpoint));
    state.decoder = model::load_decoder(*state.checkpoint, *state.ops, order.sharding, order.limits,
                                        state.options.progress, state.options.ticks);
    state.cache = std::make_unique<model::KvCache>(
        state.decoder->make_cache(order.cache.blocks, order.cache.block_size));
    state.loaded = order;
  }
  return std::string(state.ops->arithmetic());
}

void load_and_tell(Self self, const LoadOrder& told) {
  try {
    self->send(told.supervisor, runtime::ModelLoaded{told.order.life, load(self->state, told.order)});
  } catch (const std::exception& why) {
    log_event(LogLevel::error, "load_failed", {{"rank", told.order.life.rank}, {"error", why.what()}});
    self->send(told.supervisor, runtime::LoadFailed{told.order.life, why.what()});
  }
}

void place(ComputeState& state, const JoinEpoch& order) {
  CHECK(state.decoder != nullptr, "a rank joins an epoch when it has its weights");
  state.executor.reset();
  if (order.experts.empty()) return;
  if (auto placed = state.decoder->place(transport::ExpertPlacement{order.experts}); !placed)
    throw Error(placed.error().message, "placement of experts");
}

// The weights and what the cache holds stay.
void join(ComputeState& state, const JoinOrder& told) {
  state.link = told.link;
  const Doing joining(state.options.ticks, Activity::joining);
  state.link->connect();
  state.executor = std::make_unique<runtime::ModelExecutor>(
      *state.ops, *state.decoder, state.link->communicators(), GroupId(state.loaded.sharding.group()),
      *state.cache, state.loaded.speculation, state.options.ticks,
      [grammars = told.grammars](GrammarId id) { return grammars->find(id); });
}

void join_and_tell(Self self, const JoinOrder& told) {
  using Why = runtime::JoinFailed::Why;
  auto& state = self->state;
  const runtime::WorkerLife life = state.loaded.life;
  const Epoch epoch = told.order.epoch;
  Why why = Why::no_experts;
  try {
    place(state, told.order);
    why = Why::not_met;
    join(state, told);
    self->send(told.supervisor, runtime::Joined{life, epoch});
  } catch (const std::exception& error) {
    self->send(told.supervisor, runtime::JoinFailed{life, epoch, why, error.what()});
  }
}

// What to do about it is the supervisor's question; this rank waits for the next epoch.
void fail_step(Self self, const StepOrder& told, runtime::StepFailed::Why why, const std::exception& error) {
  auto& state = self->state;
  state.executor.reset();
  self->send(told.supervisor, runtime::StepFailed{state.loaded.life, told.plan.epoch, why, error.what()});
}

void run(Self self, const StepOrder& told) {
  auto& state = self->state;
  const runtime::StepPlan& plan = told.plan;
  if (!state.executor || plan.epoch != state.link->epoch()) return;  // of an epoch that is over
  if (std::exchange(state.loses_next_step, false)) return;
  runtime::StepResult result;
  try {
    result = state.executor->execute(plan);
  } catch (const transport::PeerError& error) {
    return fail_step(self, told, runtime::StepFailed::Why::peer, error);
  } catch (const runtime::PlanError& error) {
    return fail_step(self, told, runtime::StepFailed::Why::plan, error);
  }
  if (state.loaded.sharding.group_rank() != 0) return;
  self->send(told.scheduler, std::move(result));
  if (const auto load = state.decoder->expert_load(); !load.empty())
    self->send(told.experts, ExpertLoad{state.loaded.life.rank, {load.begin(), load.end()}});
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
      [self](const LoadOrder& told) { load_and_tell(self, told); },
      [self](const JoinOrder& told) { join_and_tell(self, told); },
      [self](const StepOrder& told) {
        try {
          run(self, told);
        } catch (const std::exception& why) {
          log_event(LogLevel::error, "worker_failed",
                    {{"rank", self->state.loaded.life.rank}, {"error", why.what()}});
          self->quit(caf::make_error(caf::sec::runtime_error, std::string(why.what())));
        }
      },
      [self](const Drill& order) { drill(self, order.kind); },
  };
}

}  // namespace troupe::actors
