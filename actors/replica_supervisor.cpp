// The replica's epochs, and the actors of this process.
#include "actors/replica_supervisor.hpp"

#include <algorithm>
#include <random>

#include "runtime/base/log.hpp"
#include "transport/expert_placement.hpp"

namespace troupe::actors {
namespace {

using Status = ReplicaStatus::State;

// Nobody who has not been told can guess it.
std::string draw_secret() {
  std::random_device device;
  std::string secret;
  for (int i = 0; i < 4; ++i) {
    char digits[9];
    std::snprintf(digits, sizeof digits, "%08x", device());
    secret += digits;
  }
  return secret;
}

}  // namespace

void ReplicaSupervisorState::begin(Self self, ReplicaSettings settings) {
  self_ = self;
  settings_ = std::move(settings);
  epoch_ = 1;
  ranks_.assign(std::size_t(settings_.ranks()), Rank(settings_.restarts));
  nodes_.resize(std::size_t(settings_.nodes));
  blocks_.resize(std::size_t(settings_.model.data_parallel));
  parts_.assign(1 + blocks_.size(), Part(settings_.restarts));
  spawn_scheduler();
  for (const GroupId group : all_groups()) spawn_blocks(group);
  end_epoch({});
}

void ReplicaSupervisorState::spawn_scheduler() {
  auto settings = settings_.scheduler;
  settings.groups = settings_.model.data_parallel;
  settings.epoch = epoch_;
  scheduler_ = settings_.own_threads ? self_->spawn<caf::monitored + caf::detached>(scheduler_actor, settings)
                                     : self_->spawn<caf::monitored>(scheduler_actor, settings);
  self_->send(settings_.edge, scheduler_);
}

void ReplicaSupervisorState::spawn_blocks(GroupId group) {
  auto settings = settings_.blocks;
  settings.group = group;
  settings.generation = epoch_;
  blocks_[group] = settings_.own_threads
                       ? self_->spawn<caf::monitored + caf::detached>(kv_block_manager, settings)
                       : self_->spawn<caf::monitored>(kv_block_manager, settings);
}

std::vector<GroupId> ReplicaSupervisorState::all_groups() const {
  std::vector<GroupId> all;
  for (GroupId group = 0; group < blocks_.size(); ++group) all.push_back(group);
  return all;
}

// lost: groups whose caches are void.
void ReplicaSupervisorState::end_epoch(const std::vector<GroupId>& lost) {
  auto& status = *settings_.status;
  if (status.state == Status::failed) return;
  if (status.state == Status::serving) status.state = Status::recovering;
  ++epoch_;
  stopped_ = joining_ = false;
  enquiry_.reset();
  for (Rank& rank : ranks_) {
    if (rank.worker) self_->send(rank.worker, AbortEpochs{epoch_});
    if (rank.state == Rank::State::serving || rank.state == Rank::State::joining)
      rank.state = Rank::State::ready;
  }
  for (const GroupId group : lost)
    if (blocks_[group]) self_->send(blocks_[group], VoidBlocks{epoch_});
  status.epoch = epoch_;
  settings_.metrics->epoch(epoch_);
  show();
  self_->request(scheduler_, caf::infinite, StopEpoch{epoch_, lost})
      .then(
          [this, epoch = epoch_](const EpochStopped& stopped) {
            if (stopped.steps_committed > 0)
              for (Rank& rank : ranks_) rank.progressed = true;
            if (epoch != epoch_) return;  // the end of another epoch goes on from here
            stopped_ = true;
            restart_dead();
            begin_epoch_if_complete();
          },
          [](const caf::error&) {});  // its death ends the epoch once more
}

void ReplicaSupervisorState::begin_epoch_if_complete() {
  if (settings_.status->state == Status::failed || !stopped_ || joining_ || !scheduler_) return;
  if (std::ranges::any_of(blocks_, [](const auto& manager) { return !manager; })) return;
  if (std::ranges::any_of(ranks_, [](const Rank& rank) { return rank.state != Rank::State::ready; })) return;
  if (now() < not_before_) return;  // a message to itself is on the way
  joining_ = true;
  joining_since_ = now();
  joined_ = 0;
  const JoinEpoch order{epoch_, draw_secret(), experts_};
  for (std::int32_t i = 0; i < settings_.ranks(); ++i) {
    Rank& rank = ranks_[std::size_t(i)];
    rank.state = Rank::State::joining;
    if (rank.unanswered++ == 0) rank.asked_since = now();
    self_->request(rank.worker, caf::infinite, order)
        .then(
            [this, i, incarnation = rank.incarnation](const Joined& answer) {
              answered(i, incarnation);
              if (answer.epoch == epoch_) joined(i);
            },
            [this, i, incarnation = rank.incarnation, epoch = epoch_](const caf::error& error) {
              answered(i, incarnation);
              if (epoch == epoch_) join_failed(i, error);
            });
  }
  show();
}

void ReplicaSupervisorState::answered(std::int32_t rank, std::uint64_t incarnation) {
  Rank& who = ranks_[std::size_t(rank)];
  if (who.incarnation != incarnation || who.unanswered == 0) return;
  if (--who.unanswered > 0) who.asked_since = now();
}

void ReplicaSupervisorState::joined(std::int32_t rank) {
  if (settings_.status->state == Status::failed || !ranks_[std::size_t(rank)].worker) return;
  ranks_[std::size_t(rank)].state = Rank::State::serving;
  if (++joined_ == ranks_.size()) serve();
}

// A rank could not have its experts: they stay where they were. Or it could not meet another: if one died,
// its end is told otherwise; if not, they try again.
void ReplicaSupervisorState::join_failed(std::int32_t rank, const caf::error& error) {
  constexpr std::chrono::milliseconds first_pause{50}, longest_pause{5000};
  log_event(LogLevel::warning, "join_failed",
            {{"rank", rank}, {"epoch", epoch_}, {"error", self_->system().render(error)}});
  if (error == no_experts && experts_ != served_experts_) {
    log_event(LogLevel::error, "placement_taken_back", {{"rank", rank}});
    experts_ = served_experts_;
  }
  const auto pause = std::min(longest_pause, first_pause * (1 << std::min(failed_joins_++, 10)));
  not_before_ = now() + pause;
  end_epoch({});
  self_->delayed_send(self_, pause, epoch_);
}

void ReplicaSupervisorState::share_address(const RankAddress& address) {
  if (address.epoch != epoch_) return settings_.metrics->stale_message();
  for (const Rank& rank : ranks_)
    if (rank.worker) self_->send(rank.worker, address);
}

void ReplicaSupervisorState::serve() {
  failed_joins_ = 0;
  served_experts_ = experts_;
  std::vector<WorkerHandle> workers;
  for (const Rank& rank : ranks_) workers.push_back(rank.worker);
  settings_.status->has_served = true;
  settings_.status->state = Status::serving;
  self_->send(scheduler_, epoch_, blocks_, std::move(workers));
  log_event(LogLevel::info, "epoch_began",
            {{"epoch", epoch_}, {"ranks", ranks_.size()}, {"arithmetic", arithmetic_}});
  if (!std::exchange(recovered_, true)) {
    fault_->recovered_ms = milliseconds(now() - fault_at_);
    settings_.metrics->recovered(now() - fault_at_);
    log_event(LogLevel::info, "recovered", {{"epoch", epoch_}, {"recovered_ms", *fault_->recovered_ms}});
  }
  show();
}

void ReplicaSupervisorState::note_fault(std::optional<std::int32_t> rank, const std::string& kind,
                                        const Tick& tick, double detected_ms) {
  FaultView fault;
  fault.rank = rank;
  fault.kind = kind;
  fault.step = tick.step;
  if (tick.layer >= 0) fault.layer = tick.layer;
  if (tick.collective != Collective::none) fault.collective = troupe::to_string(tick.collective);
  fault.detected_ms = detected_ms;
  log_event(LogLevel::warning, "fault",
            {{"kind", kind},
             {"rank", rank ? nlohmann::ordered_json(*rank) : nlohmann::ordered_json()},
             {"epoch", epoch_},
             {"step", fault.step},
             {"layer", tick.layer},
             {"collective", troupe::to_string(tick.collective)},
             {"detected_ms", detected_ms}});
  settings_.metrics->fault(kind, rank, tick);
  // Until everything is back, it is one recovery, counted from its first fault.
  if (std::exchange(recovered_, false)) fault_at_ = now();
  fault_ = std::move(fault);
}

// A collective failed without a word of who is at fault: a death or a hang is told within the limit. If none
// is, what is between the ranks failed, and they meet anew.
void ReplicaSupervisorState::step_failed(const StepFailed& failed) {
  if (failed.epoch != epoch_) return settings_.metrics->stale_message();
  log_event(LogLevel::warning, "step_failed",
            {{"rank", failed.rank}, {"epoch", failed.epoch}, {"error", failed.error}});
  if (settings_.status->state == Status::serving)
    enquire({std::nullopt, "collective_failed"}, settings_.hang_limit + settings_.hang_limit / 4);
}

void ReplicaSupervisorState::enquire(Enquiry enquiry, std::chrono::milliseconds patience) {
  // A culprit is better news than none.
  if (enquiry_ && (enquiry_->rank || !enquiry.rank)) return;
  enquiry_ = std::move(enquiry);
  self_->delayed_send(self_, patience, epoch_);
}

void ReplicaSupervisorState::due(Epoch epoch) {
  if (settings_.status->state == Status::failed) return;
  // A pause before the next epoch outlives the epoch that it was asked for in.
  if (epoch != epoch_ || !enquiry_) return begin_epoch_if_complete();
  note_fault(enquiry_->rank, enquiry_->kind, {}, 0);
  end_epoch({});
}

// True if another may take its place.
bool ReplicaSupervisorState::part_died(Part& part, const char* name) {
  if (settings_.status->state == Status::failed) return false;
  constexpr std::chrono::milliseconds healthy_life{500};
  const bool progressed = now() - std::exchange(part.died, now()) > healthy_life;
  note_fault(std::nullopt, std::string(name) + "_died", {}, 0);
  if (part.policy.on_death(progressed)) return true;
  give_up(std::string(name) + " died again and again");
  return false;
}

void ReplicaSupervisorState::down(const caf::down_msg& down) {
  if (scheduler_ && down.source == scheduler_.address()) {
    scheduler_ = SchedulerHandle{};
    if (!part_died(parts_.front(), "scheduler")) return;
    spawn_scheduler();
    return end_epoch(all_groups());
  }
  for (const GroupId group : all_groups()) {
    if (!blocks_[group] || down.source != blocks_[group].address()) continue;
    blocks_[group] = KvBlockManagerHandle{};
    if (!part_died(parts_[1 + group], "kv_block_manager")) return;
    spawn_blocks(group);
    return end_epoch({group});
  }
  for (std::int32_t node = 0; node < settings_.nodes; ++node)
    if (auto& handle = nodes_[std::size_t(node)].handle; handle && down.source == handle.address())
      return node_lost(node);
  for (std::int32_t rank = 0; rank < settings_.ranks(); ++rank)
    if (auto& worker = ranks_[std::size_t(rank)].worker; worker && down.source == worker.address())
      return cut_off(rank);
}

void ReplicaSupervisorState::give_up(const std::string& why) {
  if (settings_.status->state.exchange(Status::failed) == Status::failed) return;
  log_event(LogLevel::error, "replica_failed", {{"epoch", epoch_}, {"reason", why}});
  self_->send(settings_.edge,
              GiveUp{{RefusalKind::unavailable,
                      "The replica has failed and was not restarted again; see the server's log.", "",
                      "replica_failed"}});
  show();
}

void ReplicaSupervisorState::place(const PlaceExpert& order) {
  if (experts_.empty())
    experts_ = served_experts_ =
        transport::ExpertPlacement::spread(settings_.experts, settings_.ranks()).holders;
  experts_[std::size_t(order.expert)] = order.ranks;
  log_event(LogLevel::info, "expert_placed", {{"expert", order.expert}, {"ranks", order.ranks}});
  end_epoch({});
}

void ReplicaSupervisorState::drill(const Drill& drill) {
  switch (drill.kind) {
    case Drill::Kind::crash_scheduler:
      return self_->send(scheduler_, drill);
    case Drill::Kind::crash_block_manager:
      return self_->send(blocks_.at(drill.group), drill);
    case Drill::Kind::crash_worker:
    case Drill::Kind::crash_expert_shard:
    case Drill::Kind::stuck_kernel:
    case Drill::Kind::lost_step:
      return self_->send(ranks_.at(std::size_t(drill.rank)).worker, drill);
    case Drill::Kind::corrupt_message: {
      // Of the right epoch, and nonsense in all else.
      runtime::Slice slice{1, {-1}, -7, {1 << 30}, true, {}, 0};
      return self_->send(ranks_.at(std::size_t(drill.rank)).worker,
                         runtime::StepPlan{epoch_, 0, {{group_of(drill.rank), {slice}}}});
    }
  }
}

void ReplicaSupervisorState::show() {
  ReplicaView view;
  view.epoch = epoch_;
  view.state = actors::to_string(settings_.status->state.load());
  for (std::int32_t i = 0; i < settings_.ranks(); ++i) {
    const Rank& rank = ranks_[std::size_t(i)];
    const Tick& tick = rank.last.tick;
    view.ranks.push_back({i, i / ranks_of_node(), rank.pid, to_string(rank.state),
                          tick.epoch == epoch_ ? tick.step : 0, rank.restarts});
  }
  view.last_fault = fault_;
  settings_.status->show(std::move(view));
}

// Deaths from here on are wanted.
void ReplicaSupervisorState::end() {
  settings_.status->state = Status::failed;
  self_->quit(caf::exit_reason::user_shutdown);
  for (const Node& node : nodes_)
    if (node.handle) self_->send(node.handle, caf::ok_atom::value);
  for (const auto& manager : blocks_)
    if (manager) self_->send_exit(manager, caf::exit_reason::user_shutdown);
  if (scheduler_) self_->send_exit(scheduler_, caf::exit_reason::user_shutdown);
}

ReplicaSupervisorHandle::behavior_type replica_supervisor(ReplicaSupervisorState::Self self,
                                                          ReplicaSettings settings) {
  auto& state = self->state;
  self->set_down_handler([&state](const caf::down_msg& down) { state.down(down); });
  // Without a supervisor the next fault would be the end, and nobody would say so.
  self->set_exception_handler([](std::exception_ptr& thrown) -> caf::error {
    try {
      std::rethrow_exception(thrown);
    } catch (const std::exception& why) {
      CHECK(false, why.what());
    }
    return caf::none;
  });
  state.begin(self, std::move(settings));
  return {
      [&state](const NodeArrived& arrived, const NodeHandle& node) {
        return state.node_arrived(arrived, node);
      },
      [&state](const WorkerArrived& arrived, const WorkerHandle& worker) {
        state.worker_arrived(arrived, worker);
      },
      [&state](const WorkerExited& exited) { state.worker_exited(exited); },
      [&state](const WorkerHangs& hangs) { state.worker_hangs(hangs); },
      [&state](const NodeTicks& ticks) { state.ticks(ticks); },
      [&state](const RankAddress& address) { state.share_address(address); },
      [&state](const StepFailed& failed) { state.step_failed(failed); },
      [&state](const ExpertLoad& load) { state.expert_load(load); },
      [&state](const PlaceExpert& order) { state.place(order); },
      [&state](const Drill& drill) { state.drill(drill); },
      [&state](Epoch epoch) { state.due(epoch); },
      [&state](const StartWorker& order) { state.restart_due(order); },
      [&state](caf::ok_atom) { state.end(); },
  };
}

}  // namespace troupe::actors
