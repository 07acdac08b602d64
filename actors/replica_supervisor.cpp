#include "actors/replica_supervisor.hpp"

#include <algorithm>
#include <array>
#include <random>

#include "runtime/base/hex.hpp"

namespace troupe::actors {
namespace {

// Nobody who has not been told can guess it.
std::string draw_secret() {
  std::random_device device;
  std::array<std::random_device::result_type, 4> drawn;
  for (auto& each : drawn) each = device();
  return hex(std::as_bytes(std::span(drawn)));
}

template <class Handle>
std::optional<std::int32_t> place_of(const std::vector<Handle>& all, const caf::actor_addr& address) {
  const auto found =
      std::ranges::find_if(all, [&](const Handle& each) { return each && each.address() == address; });
  return found == all.end() ? std::nullopt : std::optional(std::int32_t(found - all.begin()));
}

}  // namespace

void ReplicaSupervisorState::begin(Self self, ReplicaSettings settings) {
  self_ = self;
  settings_ = std::move(settings);
  membership_.emplace(settings_.membership);
  cache_.emplace(settings_.membership.ranks());
  blocks_.resize(std::size_t(settings_.membership.data_parallel));
  generations_.resize(blocks_.size());
  nodes_.resize(std::size_t(settings_.membership.nodes));
  workers_.resize(std::size_t(settings_.membership.ranks()));
  obey(membership_->begin(now()));
}

void ReplicaSupervisorState::obey(const runtime::Orders& orders) {
  for (const runtime::Order& each : orders) std::visit([this](const auto& order) { carry_out(order); }, each);
  const auto next = membership_->next_deadline();
  if (next && (!wakes_at_ || *next < *wakes_at_)) {
    wakes_at_ = next;
    self_->delayed_send(self_, std::max(Duration{}, *next - now()), Due{});
  }
  show();
}

void ReplicaSupervisorState::due() {
  wakes_at_.reset();
  obey(membership_->due(now()));
}

runtime::NodeWelcome ReplicaSupervisorState::introduce(const NodeIntroduced& news) {
  runtime::NodeWelcome welcome;
  const auto orders = membership_->on(news.arrived, place_of(nodes_, news.node.address()), welcome, now());
  if (welcome.node >= 0) {
    nodes_[std::size_t(welcome.node)] = news.node;
    self_->monitor(news.node);
  }
  obey(orders);
  return welcome;
}

void ReplicaSupervisorState::introduce(const WorkerIntroduced& news) {
  bool accepted = false;
  const auto orders = membership_->on(news.arrived, accepted, now());
  if (accepted) {
    WorkerHandle& worker = workers_[std::size_t(news.arrived.life.rank)];
    if (worker) self_->demonitor(worker.address());
    worker = news.worker;
    self_->monitor(worker);
  } else {
    self_->send_exit(news.worker, caf::exit_reason::user_shutdown);
  }
  obey(orders);
}

void ReplicaSupervisorState::down(const caf::down_msg& down) {
  if (scheduler_ && down.source == scheduler_.address()) {
    obey(membership_->scheduler_died(now()));
  } else if (const auto group = place_of(blocks_, down.source)) {
    obey(membership_->blocks_died(GroupId(*group), now()));
  } else if (const auto node = place_of(nodes_, down.source)) {
    nodes_[std::size_t(*node)] = NodeHandle{};
    obey(membership_->node_lost(*node, now()));
  } else if (const auto rank = place_of(workers_, down.source)) {
    workers_[std::size_t(*rank)] = WorkerHandle{};
    obey(membership_->link_lost(*rank, now()));
  }
}

void ReplicaSupervisorState::carry_out(const runtime::Load& order) {
  LoadModel load = settings_.model;
  load.life = order.life;
  load.sharding.rank = order.life.rank;
  load.experts = order.experts;
  self_->send(workers_[std::size_t(order.life.rank)], load);
}

void ReplicaSupervisorState::carry_out(const runtime::Join& order) {
  // Of ranks that have met once, only processes change, and the time to recover matters more.
  tell_workers(JoinEpoch{order.epoch, draw_secret(), order.experts, !membership_->has_served()});
}

void ReplicaSupervisorState::carry_out(const runtime::Dismiss& order) {
  WorkerHandle& worker = workers_[std::size_t(order.rank)];
  self_->demonitor(worker.address());
  self_->send_exit(worker, caf::exit_reason::user_shutdown);
  worker = WorkerHandle{};
}

void ReplicaSupervisorState::carry_out(const runtime::MakeScheduler& order) {
  SchedulerSettings settings = settings_.scheduler;
  settings.groups = settings_.membership.data_parallel;
  settings.epoch = order.epoch;
  scheduler_ = self_->spawn<caf::monitored>(scheduler_actor, settings);
  self_->send(settings_.requests, NewScheduler{scheduler_});
}

// Before the first epoch nobody has a block; how many there are is known once all ranks have their weights.
void ReplicaSupervisorState::carry_out(const runtime::MakeBlocks& order) {
  generations_[order.group] = order.generation;
  if (cache_->blocks() > 0) make_blocks(order.group);
}

void ReplicaSupervisorState::make_blocks(GroupId group) {
  KvBlockManagerSettings settings = settings_.blocks;
  settings.blocks = cache_->blocks();
  settings.group = group;
  settings.generation = generations_[group];
  blocks_[group] = self_->spawn<caf::monitored>(kv_block_manager, settings);
}

void ReplicaSupervisorState::carry_out(const runtime::VoidBlocks& order) {
  generations_[order.group] = order.generation;
  if (blocks_[order.group]) self_->send(blocks_[order.group], order);
}

// What would fit is there for whoever sees that the replica has failed.
void ReplicaSupervisorState::hear(const runtime::LoadFailed& failed) {
  settings_.status->would_fit(failed.fits);
  obey(membership_->on(failed, now()));
}

void ReplicaSupervisorState::hear(const RoomForCache& news) {
  const bool fits = news.life.rank >= 0 && news.life.rank < settings_.membership.ranks() && news.blocks > 0;
  if (!fits) return settings_.metrics->stale_message();
  const bool known = cache_->blocks() > 0;
  for (const runtime::WorkerLife& life : cache_->told(news.life, news.blocks))
    if (const WorkerHandle& worker = workers_[std::size_t(life.rank)])
      self_->send(worker, MakeCache{life, cache_->blocks()});
  if (known || cache_->blocks() == 0) return;
  for (GroupId group = 0; group < blocks_.size(); ++group) make_blocks(group);
}

void ReplicaSupervisorState::carry_out(const runtime::Serve& order) {
  self_->send(scheduler_, BeginEpoch{order.epoch, blocks_, workers_});
}

void ReplicaSupervisorState::carry_out(const runtime::GiveUp&) {
  self_->send(settings_.requests,
              GiveUp{{RefusalKind::unavailable,
                      "The replica has failed and was not restarted again; see the server's log.", "",
                      "replica_failed"}});
}

void ReplicaSupervisorState::carry_out(const runtime::TellFault& told) {
  const runtime::FaultView& fault = told.fault;
  settings_.metrics->fault(to_string(fault.kind), fault.rank, fault.last);
  if (const DeviceFaultKind of_device = fault.last.device.kind; of_device != DeviceFaultKind::none)
    settings_.metrics->device_error(of_device);
}

void ReplicaSupervisorState::share(const RankAddress& address) {
  if (address.epoch != membership_->epoch()) return settings_.metrics->stale_message();
  tell_workers(address);
}

void ReplicaSupervisorState::count(const ExpertLoad& load) {
  const bool fits = load.rank >= 0 && load.rank < settings_.membership.ranks() &&
                    load.tokens.size() == settings_.membership.spread_experts.size();
  if (!fits) return settings_.metrics->stale_message();
  settings_.metrics->expert_load(load.rank, load.tokens);
}

void ReplicaSupervisorState::hear(const GpuReadings& news) {
  if (settings_.model.device == "cpu") return;  // nobody computes there
  for (const GpuReading& gpu : news.gpus) {
    if (gpu.rank < 0 || gpu.rank >= settings_.membership.ranks()) continue;
    gpus_[gpu.rank] = gpu;
    settings_.metrics->gpu(gpu);
  }
  show();
}

// The least of all that answer.
std::optional<std::uint64_t> ReplicaSupervisorState::gpu_memory_available() const {
  std::optional<std::uint64_t> least;
  for (const auto& [rank, gpu] : gpus_)
    if (gpu.answers)
      least = std::min(least.value_or(gpu.memory_total),
                       gpu.memory_total - std::min(gpu.memory_used, gpu.memory_total));
  return least;
}

void ReplicaSupervisorState::drill(const Drill& drill) {
  switch (drill.kind) {
    case Drill::Kind::crash_scheduler:
      return self_->send(scheduler_, drill);
    case Drill::Kind::crash_block_manager:
      if (const KvBlockManagerHandle& blocks = blocks_.at(drill.group)) self_->send(blocks, drill);
      return;
    case Drill::Kind::crash_worker:
    case Drill::Kind::crash_expert_shard:
    case Drill::Kind::stuck_kernel:
    case Drill::Kind::lost_step:
    case Drill::Kind::device_error:
      return self_->send(workers_.at(std::size_t(drill.rank)), drill);
    case Drill::Kind::corrupt_message: {
      // Of the right epoch, and nonsense in all else.
      runtime::StepPlan plan;
      plan.epoch = membership_->epoch();
      plan.group = settings_.membership.group_of(drill.rank);
      plan.begin.push_back({1, {-1}, -7, -7, {}, {}, {1 << 30}});
      plan.extend.push_back({2, {}, {-1}, 1 << 30, -1, true});
      return self_->send(workers_.at(std::size_t(drill.rank)), plan);
    }
  }
}

// Also for the scheduler that follows this one.
void ReplicaSupervisorState::change_policy(const ChangePolicy& order) {
  settings_.scheduler.policy = order.policy;
  if (scheduler_) self_->send(scheduler_, order);
}

void ReplicaSupervisorState::show() {
  runtime::ReplicaView view = membership_->view();
  view.gpu_memory_available = gpu_memory_available();
  settings_.metrics->epoch(view.epoch);
  for (const runtime::RankView& rank : view.ranks) settings_.metrics->loaded(rank.rank, rank.loaded_bytes);
  settings_.status->show(std::move(view));
}

// Deaths from here on are wanted.
void ReplicaSupervisorState::end() {
  membership_->end();
  show();
  self_->quit(caf::exit_reason::user_shutdown);
  for (const NodeHandle& node : nodes_)
    if (node) self_->send(node, End{});
  for (const KvBlockManagerHandle& manager : blocks_)
    if (manager) self_->send_exit(manager, caf::exit_reason::user_shutdown);
  self_->send_exit(scheduler_, caf::exit_reason::user_shutdown);
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
      [&state](const NodeIntroduced& news) { return state.introduce(news); },
      [&state](const WorkerIntroduced& news) { state.introduce(news); },
      [&state](const runtime::WorkerExited& exited) { state.hear(exited); },
      [&state](const runtime::WorkerHangs& hangs) { state.hear(hangs); },
      [&state](const runtime::NodeTicks& ticks) { state.hear(ticks); },
      [&state](const RoomForCache& news) { state.hear(news); },
      [&state](const runtime::ModelLoaded& loaded) { state.hear(loaded); },
      [&state](const runtime::LoadFailed& failed) { state.hear(failed); },
      [&state](const runtime::Joined& joined) { state.hear(joined); },
      [&state](const runtime::JoinFailed& failed) { state.hear(failed); },
      [&state](const runtime::StepFailed& failed) { state.hear(failed); },
      [&state](const runtime::EpochStopped& stopped) { state.hear(stopped); },
      [&state](const runtime::PlaceExpert& order) { state.hear(order); },
      [&state](const RankAddress& address) { state.share(address); },
      [&state](const ExpertLoad& load) { state.count(load); },
      [&state](const GpuReadings& news) { state.hear(news); },
      [&state](const ChangePolicy& order) { state.change_policy(order); },
      [&state](const Drill& drill) { state.drill(drill); },
      [&state](const Due&) { state.due(); },
      [&state](const End&) { state.end(); },
  };
}

}  // namespace troupe::actors
