#include "actors/worker.hpp"

#include "kernels/cpu/cpu_ops.hpp"
#include "runtime/base/log.hpp"

namespace troupe::actors {
namespace {

using Self = WorkerHandle::stateful_pointer<WorkerState>;

// Runs work; an exception ends the actor with its text, and the caller's request with the same error.
template <class Result, class Work>
caf::result<Result> or_die(Self self, const char* during, Work work) {
  try {
    return work();
  } catch (const std::exception& failure) {
    log_event(LogLevel::error, "worker_failed", {{"during", during}, {"error", failure.what()}});
    auto error = caf::make_error(caf::sec::runtime_error, std::string(failure.what()));
    self->quit(error);
    return error;
  }
}

void load(WorkerState& state) {
  const auto& settings = state.settings;
  state.ops = kernels::make_cpu_ops(settings.threads);
  state.decoder = model::load_decoder(*settings.checkpoint, *state.ops, settings.sharding, settings.limits,
                                      settings.progress.get());
}

// A survivor keeps its weights; communicator and KV storage are made anew for each epoch.
Joined join(Self self, Epoch epoch) {
  auto& state = self->state;
  const auto& settings = state.settings;
  state.executor.reset();
  if (!state.decoder) load(state);
  state.mesh = std::make_unique<transport::LocalMesh>(settings.sharding.ranks);
  state.communicator = state.mesh->communicator(settings.sharding.rank);
  state.executor = std::make_unique<runtime::ModelExecutor>(*state.ops, *state.decoder, *state.communicator,
                                                            GroupId{0}, settings.blocks, settings.block_size);
  state.epoch = epoch;
  return {epoch, std::string(state.ops->arithmetic())};
}

caf::result<runtime::StepResult> run(Self self, const runtime::StepPlan& plan) {
  auto& state = self->state;
  if (plan.epoch != state.epoch || !state.executor) {
    state.settings.metrics->stale_message();
    return caf::make_error(caf::sec::invalid_argument, "a plan of another epoch");
  }
  return or_die<runtime::StepResult>(self, "step", [&] {
    auto result = state.executor->execute(plan);
    if (const auto load = state.decoder->expert_load(); !load.empty())
      self->send(state.experts, ExpertLoad{{load.begin(), load.end()}});
    return result;
  });
}

}  // namespace

WorkerHandle::behavior_type worker(Self self, WorkerSettings settings) {
  self->state.experts = self->spawn<caf::linked>(expert_shard, settings.metrics);
  self->state.settings = std::move(settings);
  return {
      [self](const JoinEpoch& order) {
        return or_die<Joined>(self, "loading", [&] { return join(self, order.epoch); });
      },
      [self](const runtime::StepPlan& plan) { return run(self, plan); },
      [self](const CrashWorker&) {
        if (self->state.executor) self->state.executor->cache().poison();
        log_event(LogLevel::warning, "worker_crash_drill", {{"epoch", self->state.epoch}});
        self->quit(caf::make_error(caf::sec::runtime_error, "crash drill"));
      },
  };
}

}  // namespace troupe::actors
