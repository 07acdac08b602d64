#include "actors/replica_supervisor.hpp"

#include "runtime/base/log.hpp"

namespace troupe::actors {
namespace {

using Self = ReplicaSupervisorHandle::stateful_pointer<ReplicaSupervisorState>;
using Status = ReplicaStatus::State;

WorkerHandle spawn_worker(Self self) {
  const auto& settings = self->state.settings;
  return settings.own_threads ? self->spawn<caf::monitored + caf::detached>(worker, settings.worker)
                              : self->spawn<caf::monitored>(worker, settings.worker);
}

KvBlockManagerHandle spawn_blocks(Self self) {
  auto settings = self->state.settings.blocks;
  settings.epoch = self->state.epoch;
  return self->state.settings.own_threads
             ? self->spawn<caf::monitored + caf::detached>(kv_block_manager, settings)
             : self->spawn<caf::monitored>(kv_block_manager, settings);
}

void give_up(Self self, const std::string& why) {
  auto& state = self->state;
  state.settings.status->state = Status::failed;
  log_event(LogLevel::error, "replica_failed", {{"epoch", state.epoch}, {"reason", why}});
  self->send(state.scheduler,
             GiveUp{{RefusalKind::unavailable,
                     "The replica has failed and was not restarted again; see the server's log.", "",
                     "replica_failed"}});
}

void serve_epoch(Self self, const Joined& joined) {
  auto& state = self->state;
  if (joined.epoch != state.epoch) return state.settings.metrics->stale_message();
  state.settings.status->state = Status::serving;
  log_event(LogLevel::info, "epoch_began", {{"epoch", state.epoch}, {"arithmetic", joined.arithmetic}});
  self->send(state.scheduler, state.epoch, state.blocks, state.worker);
}

// Brings in what is missing; everybody learns the epoch.
void begin_epoch(Self self) {
  auto& state = self->state;
  state.settings.status->epoch = state.epoch;
  state.settings.metrics->epoch(state.epoch);
  if (!state.blocks) state.blocks = spawn_blocks(self);
  if (!state.worker) state.worker = spawn_worker(self);
  self->request(state.worker, caf::infinite, JoinEpoch{state.epoch})
      .then([self](const Joined& joined) { serve_epoch(self, joined); },
            [self](const caf::error& error) {
              // A worker that dies is restarted. One that cannot read the checkpoint would fail again.
              if (error == caf::sec::runtime_error && self->state.settings.status->state == Status::loading)
                give_up(self, "the model cannot be loaded");
            });
}

void end_epoch(Self self, const char* part) {
  auto& state = self->state;
  if (state.settings.status->state == Status::failed) return;
  if (state.settings.status->state == Status::serving) state.settings.status->state = Status::recovering;
  ++state.epoch;
  if (state.blocks) self->send(state.blocks, VoidBlocks{state.epoch});
  self->request(state.scheduler, caf::infinite, StopEpoch{state.epoch})
      .then(
          [self, part, epoch = state.epoch](const EpochStopped& stopped) {
            auto& state = self->state;
            if (epoch != state.epoch)
              return;  // another part died meanwhile, and its end of epoch goes on from here
            const auto delay = state.restarts->on_death(stopped.steps_committed > 0);
            log_event(
                LogLevel::warning, "part_died",
                {{"part", part}, {"next_epoch", epoch}, {"consecutive", state.restarts->consecutive()}});
            if (!delay)
              return give_up(self, std::string(part) + " died again and again without a step between");
            ++state.settings.status->restarts;
            state.settings.metrics->worker_restarted();
            if (delay->count() == 0) return begin_epoch(self);
            self->delayed_send(self, *delay, JoinEpoch{epoch});
          },
          [self](const caf::error&) { give_up(self, "the scheduler is gone"); });
}

void on_down(Self self, const caf::down_msg& down) {
  auto& state = self->state;
  if (state.worker && down.source == state.worker.address()) {
    state.worker = WorkerHandle{};
    end_epoch(self, "worker");
  } else if (state.blocks && down.source == state.blocks.address()) {
    state.blocks = KvBlockManagerHandle{};
    end_epoch(self, "kv_block_manager");
  } else if (down.source == state.scheduler.address()) {
    give_up(self, "the scheduler died");
  }
}

}  // namespace

ReplicaSupervisorHandle::behavior_type replica_supervisor(Self self, ReplicaSettings settings,
                                                          SchedulerHandle scheduler) {
  auto& state = self->state;
  state.restarts.emplace(settings.restarts);
  state.settings = std::move(settings);
  state.scheduler = std::move(scheduler);
  state.epoch = 1;
  self->set_down_handler([self](const caf::down_msg& down) { on_down(self, down); });
  self->monitor(state.scheduler);
  self->request(state.scheduler, caf::infinite, StopEpoch{state.epoch})
      .then([self](const EpochStopped&) { begin_epoch(self); },
            [self](const caf::error&) { give_up(self, "the scheduler is gone"); });
  return {
      [self](const JoinEpoch& join) {
        if (join.epoch == self->state.epoch) begin_epoch(self);
      },
      [self](const CrashWorker& crash) {
        if (self->state.worker) self->send(self->state.worker, crash);
      },
      [self](caf::ok_atom) {
        auto& state = self->state;
        state.settings.status->state = Status::failed;  // deaths from here on are wanted
        self->quit(caf::exit_reason::user_shutdown);
        if (state.worker) self->send_exit(state.worker, caf::exit_reason::user_shutdown);
        if (state.blocks) self->send_exit(state.blocks, caf::exit_reason::user_shutdown);
        self->send_exit(state.scheduler, caf::exit_reason::user_shutdown);
      },
  };
}

}  // namespace troupe::actors
