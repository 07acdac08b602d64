#include "actors/compute.hpp"

#include <new>

#include "kernels/device.hpp"
#include "runtime/base/log.hpp"
#include "runtime/base/wakeups.hpp"
#include "runtime/execution/kv_size.hpp"
#include "runtime/execution/start_fit.hpp"
#include "transport/collective_check.hpp"
#include "transport/nccl/communicator.hpp"
#include "transport/nccl/host_facts.hpp"

namespace troupe::actors {
namespace {

using Self = ComputeHandle::stateful_pointer<ComputeState>;

// What makes a replica of several GPUs slow or fragile is better known before it serves.
void tell_facts(std::int32_t rank) {
  nlohmann::json facts = transport::gpu_facts();
  facts["rank"] = rank;
  log_event(LogLevel::info, "gpu", facts);
  for (const std::string& warning : transport::warnings_of(transport::exchange_limits()))
    log_event(LogLevel::warning, "gpu_exchange_limit", {{"rank", rank}, {"warning", warning}});
}

void load(ComputeState& state, const LoadModel& order) {
  if (state.decoder) return;  // it is asked again, after a cut link
  state.loaded = order;
  {
    const Doing starting(state.options.ticks, Activity::starting);
    state.ops = kernels::make_ops(order.device, state.options.threads, state.options.ticks);
    if (transport::gpu_of(state.ops.get()) && order.sharding.ranks() > 1) tell_facts(order.life.rank);
  }
  const Doing loading(state.options.ticks, Activity::loading);
  state.checkpoint = std::make_shared<const model::Checkpoint>(model::Checkpoint::open(order.checkpoint));
  const WorkerOptions& options = state.options;
  const TimePoint began = now();
  state.used_before_weights = state.ops->memory().used;
  state.decoder = model::load_decoder(*state.checkpoint, *state.ops, order.sharding, order.limits,
                                      {options.progress, options.ticks, options.keeper}, {order.experts});
  log_event(LogLevel::info, "weights_ready",
            {{"rank", order.life.rank},
             {"read_bytes", options.ticks ? options.ticks->loaded_bytes.load() : 0},
             {"seconds", std::chrono::duration<double>(now() - began).count()}});
}

std::int32_t room_for_cache(const ComputeState& state) {
  const LoadModel& order = state.loaded;
  const auto bytes_per_token = model::cache_bytes_per_token(state.checkpoint->config(), order.sharding,
                                                            order.limits.prediction, order.limits.cache_type);
  return runtime::kv_size(order.cache,
                          {bytes_per_token, order.block_size, std::int32_t(order.limits.max_positions)},
                          state.ops->memory())
      .blocks;
}

void make_cache(ComputeState& state, std::int32_t blocks) {
  if (state.cache) return;
  const Doing making(state.options.ticks, Activity::loading);
  state.cache = std::make_unique<model::KvCache>(state.decoder->make_cache(blocks, state.loaded.block_size));
  log_event(LogLevel::info, "kv_cache",
            {{"rank", state.loaded.life.rank},
             {"blocks", blocks},
             {"tokens", std::int64_t{blocks} * state.loaded.block_size},
             {"type", name_of(state.loaded.limits.cache_type)}});
}

// What all ranks of a replica must have alike: how their operations round, and what their caches store.
std::string arithmetic(const ComputeState& state) {
  const kernels::CacheType cache = state.loaded.limits.cache_type;
  const std::string ops(state.ops->arithmetic());
  return cache == kernels::CacheType::f32 ? ops : ops + " with a cache in " + std::string(name_of(cache));
}

// A rank whose device has failed is of no use any more, nor is what lies in its memory. What is known of it stays on the
// board when the process ends.
void fail(Self self, const std::exception& why) {
  auto& state = self->state;
  const auto* const of_device = dynamic_cast<const DeviceError*>(&why);
  if (of_device && state.options.ticks) state.options.ticks->device_fault.write(of_device->fault);
  if (of_device && of_device->fault.kind != DeviceFaultKind::hang && state.options.keeper)
    state.options.keeper->drop_all();
  log_event(LogLevel::error, "worker_failed", {{"rank", state.loaded.life.rank}, {"error", why.what()}});
  self->quit(caf::make_error(caf::sec::runtime_error, std::string(why.what())));
}

runtime::StartFit fit_of(const ComputeState& state) {
  const LoadModel& order = state.loaded;
  runtime::RankStart rank{.checkpoint = *state.checkpoint,
                          .ops = *state.ops,
                          .sharding = order.sharding,
                          .limits = order.limits,
                          .cache = order.cache,
                          .block_size = order.block_size,
                          .speculation = order.speculation,
                          .besides = state.used_before_weights};
  return runtime::find_start_fit({order.cache.max_sequences, std::int32_t(order.limits.max_tokens),
                                  std::int32_t(order.limits.max_positions)},
                                 order.block_size, [&](const runtime::StartSettings& settings) {
                                   return runtime::fits(rank, settings);
                                 });
}

runtime::LoadFailed out_of_memory(const ComputeState& state, const runtime::WorkerLife& life,
                                  const OutOfMemory& why) {
  if (!state.checkpoint) return {life, why.what(), {}};
  const runtime::DoesNotFit told(why, fit_of(state), state.loaded.limits.cache_type);
  return {life, told.what(), told.fit.together};
}

void tell_failure(Self self, const ReplicaSupervisorHandle& supervisor, runtime::LoadFailed failed) {
  log_event(LogLevel::error, "load_failed", {{"rank", failed.life.rank}, {"error", failed.error}});
  self->send(supervisor, std::move(failed));
}

// What comes between a worker and its being ready; who orders it hears how it ended.
template <class Act>
void act_and_tell(Self self, const runtime::WorkerLife& life, const ReplicaSupervisorHandle& supervisor,
                  Act act) {
  auto& state = self->state;
  try {
    act(state);
    if (state.cache)
      self->send(supervisor, runtime::ModelLoaded{life, arithmetic(state)});
    else
      self->send(supervisor, RoomForCache{life, room_for_cache(state)});
  } catch (const DeviceError& why) {
    fail(self, why);
  } catch (const OutOfMemory& why) {
    tell_failure(self, supervisor, out_of_memory(state, life, why));
  } catch (const std::bad_alloc&) {
    tell_failure(self, supervisor,
                 out_of_memory(state, life, OutOfMemory("there is no more memory", "the host")));
  } catch (const std::exception& why) {
    tell_failure(self, supervisor, {life, why.what(), {}});
  }
}

void place(ComputeState& state, const JoinEpoch& order) {
  CHECK(state.decoder != nullptr, "a rank joins an epoch when it has its weights");
  state.executor.reset();
  if (order.experts.empty()) return;
  if (auto placed = state.decoder->place(transport::ExpertPlacement{order.experts}); !placed)
    throw Error(placed.error().message, "placement of experts");
}

void check(ComputeState& state) {
  const TimePoint began = now();
  const auto communicators = state.link->communicators();
  const auto queue = state.ops->make_queue();
  for (transport::Communicator* ranks : {&communicators.world, &communicators.group}) {
    queue->watch([ranks] { ranks->check(); });
    transport::check_collectives(*ranks, *state.ops, *queue);
    if (&communicators.group == &communicators.world) break;
  }
  log_event(LogLevel::info, "collectives_checked",
            {{"rank", state.loaded.life.rank}, {"milliseconds", milliseconds(now() - began)}});
}

// The weights and what the cache holds stay.
void join(ComputeState& state, const JoinOrder& told) {
  state.link = told.link;
  const Doing joining(state.options.ticks, Activity::joining);
  state.link->connect(state.ops.get());
  // NCCL makes its connections when they are first used, which is not to take time of a step.
  if (told.order.check || state.link->by_nccl()) check(state);
  state.executor = std::make_unique<runtime::ModelExecutor>(
      *state.ops, *state.decoder, state.link->communicators(), GroupId(state.loaded.sharding.group()),
      *state.cache, state.loaded.speculation, state.options.ticks,
      [&grammars = state.grammars](GrammarId id) {
        const auto found = grammars.find(id);
        return found == grammars.end() ? nullptr : found->second;
      });
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
  } catch (const DeviceError& error) {
    fail(self, error);
  } catch (const runtime::CannotMeet& error) {
    self->send(told.supervisor, runtime::JoinFailed{life, epoch, Why::cannot_meet, error.what()});
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
  state.grammars = told.grammars;
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

// With a rank that has its device.
void drill_device(Self self, Drill::Kind kind) {
  auto& state = self->state;
  if (!state.ops) return;
  const Doing computing(state.options.ticks, Activity::computing);
  try {
    if (kind == Drill::Kind::stuck_kernel) kernels::hang_device(*state.ops, state.options.ticks);
    kernels::break_device(*state.ops, state.options.ticks);
  } catch (const DeviceError& failed) {
    fail(self, failed);
  }
}

void drill(Self self, Drill::Kind kind) {
  auto& state = self->state;
  if (kind == Drill::Kind::lost_step) {
    state.loses_next_step = true;
  } else if (kind == Drill::Kind::stuck_kernel || kind == Drill::Kind::device_error) {
    drill_device(self, kind);
  } else {
    if (state.cache) state.cache->poison();
    self->quit(caf::make_error(caf::sec::runtime_error, "fault drill"));
  }
}

}  // namespace

ComputeHandle::behavior_type compute(Self self, WorkerOptions options) {
  take_a_core_when_woken();  // as no other actor does; and so do the threads that it computes with
  self->state.options = std::move(options);
  return {
      [self](const LoadOrder& told) {
        act_and_tell(self, told.order.life, told.supervisor,
                     [&](ComputeState& state) { load(state, told.order); });
      },
      [self](const CacheOrder& told) {
        if (!self->state.decoder || self->state.loaded.life != told.order.life) return;  // of a life before
        act_and_tell(self, told.order.life, told.supervisor,
                     [&](ComputeState& state) { make_cache(state, told.order.blocks); });
      },
      [self](const JoinOrder& told) { join_and_tell(self, told); },
      [self](const StepOrder& told) {
        try {
          run(self, told);
        } catch (const std::exception& why) {
          fail(self, why);
        }
      },
      [self](const Drill& order) { drill(self, order.kind); },
  };
}

}  // namespace troupe::actors
