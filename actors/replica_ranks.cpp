// The replica's workers and the nodes that they live on.
#include <algorithm>
#include <limits>

#include "actors/replica_supervisor.hpp"
#include "runtime/base/log.hpp"

namespace troupe::actors {
namespace {

using Status = ReplicaStatus::State;

// A worker whose link broke is given so long to be told dead before its absence ends the epoch.
constexpr std::chrono::milliseconds grace_of_link{25};

// For a rank to say whether it met the others; its communicators give up earlier.
constexpr std::chrono::seconds longest_search{10};

// Without a stall for so long, or so long a life, what happens next happens for the first time.
constexpr std::chrono::seconds calm{10}, healthy_life{60};

}  // namespace

const char* ReplicaSupervisorState::to_string(Rank::State state) {
  constexpr const char* names[]{"absent",  "starting", "loading", "ready",
                                "joining", "serving",  "cut_off", "dead"};
  return names[std::size_t(state)];
}

ReplicaSupervisorState::Rank* ReplicaSupervisorState::find(std::int32_t rank, std::uint64_t incarnation) {
  if (rank < 0 || rank >= settings_.ranks() || ranks_[std::size_t(rank)].incarnation != incarnation) {
    settings_.metrics->stale_message();
    return nullptr;
  }
  return &ranks_[std::size_t(rank)];
}

NodeWelcome ReplicaSupervisorState::node_arrived(const NodeArrived& arrived, const NodeHandle& handle) {
  std::int32_t place = arrived.node;
  // Its own, if an answer was lost, or one that is missing; the first is for the head's.
  for (const NodeHandle& free : {handle, NodeHandle{}})
    if (place < 0 || place >= settings_.nodes)
      place = std::int32_t(std::ranges::find(nodes_.begin() + 1, nodes_.end(), free, &Node::handle) -
                           nodes_.begin());
  if (place >= settings_.nodes) return {-1, "no node of this replica is missing"};
  if (arrived.build != settings_.build)
    return {-1, "it runs build " + arrived.build + " of troupe, and the replica " + settings_.build};
  Node& node = nodes_[std::size_t(place)];
  if (node.handle && node.handle != handle) return {-1, "another node has taken its place"};
  node.handle = handle;
  self_->monitor(handle);
  log_event(LogLevel::info, "node_arrived", {{"node", place}, {"workers", arrived.workers.size()}});
  for (std::int32_t i = place * ranks_of_node(); i < (place + 1) * ranks_of_node(); ++i) {
    Rank& rank = ranks_[std::size_t(i)];
    const bool lives = std::ranges::any_of(arrived.workers, [&](const LivingWorker& worker) {
      return worker.rank == i && worker.incarnation == rank.incarnation;
    });
    if (lives && rank.state == Rank::State::dead) kill(i);
    if (lives) continue;  // it will come by itself
    if (rank.state == Rank::State::absent)
      start_worker(i);
    else if (!rank.gone)
      worker_exited({i, rank.incarnation, "lost with its node", 0, rank.last.tick});
  }
  restart_dead();
  return {place, ""};
}

// Its workers have links of their own: those that died with it are told by these, others go on.
void ReplicaSupervisorState::node_lost(std::int32_t index) {
  nodes_[std::size_t(index)].handle = NodeHandle{};
  log_event(LogLevel::warning, "node_lost", {{"node", index}});
  if (settings_.status->state == Status::failed) return;
  note_fault(index * ranks_of_node(), "node_lost", {}, 0);
  end_epoch({});
}

void ReplicaSupervisorState::start_worker(std::int32_t index) {
  Rank& rank = ranks_[std::size_t(index)];
  if (!node_of(index)) return;  // when it comes back
  rank.state = Rank::State::starting;
  rank.gone = false;
  rank.last = {};
  rank.unanswered = 0;
  rank.ready_since = {};
  ++rank.incarnation;
  self_->send(node_of(index),
              StartWorker{index, rank.incarnation, ranks_of_node(), settings_.hang_limit.count()});
}

void ReplicaSupervisorState::worker_arrived(const WorkerArrived& arrived, const WorkerHandle& worker) {
  Rank* rank = find(arrived.rank, arrived.incarnation);
  if (!rank || rank->state == Rank::State::dead || rank->gone) {
    log_event(LogLevel::warning, "stale_worker_refused",
              {{"rank", arrived.rank}, {"incarnation", arrived.incarnation}});
    return self_->send_exit(worker, caf::exit_reason::user_shutdown);
  }
  if (rank->worker) cut_off(arrived.rank);  // it is here again before that was noticed
  rank->worker = worker;
  rank->pid = arrived.pid;
  self_->monitor(worker);
  load(arrived.rank);  // one that has its weights says so at once
}

void ReplicaSupervisorState::load(std::int32_t index) {
  Rank& rank = ranks_[std::size_t(index)];
  rank.state = Rank::State::loading;
  LoadModel order = settings_.model;
  order.rank = index;
  self_->request(rank.worker, caf::infinite, order)
      .then(
          [this, index, incarnation = rank.incarnation](const ModelLoaded& model) {
            if (find(index, incarnation)) loaded(index, model);
          },
          [this, index, incarnation = rank.incarnation](const caf::error& error) {
            if (error == caf::sec::runtime_error && find(index, incarnation))
              load_failed(index, self_->system().render(error));
          });
  show();
}

void ReplicaSupervisorState::loaded(std::int32_t index, const ModelLoaded& model) {
  Rank& rank = ranks_[std::size_t(index)];
  if (rank.state != Rank::State::loading) return;
  if (arithmetic_.empty()) arithmetic_ = model.arithmetic;
  if (arithmetic_ != model.arithmetic)
    return give_up("rank " + std::to_string(index) + " computes in " + model.arithmetic + ", others in " +
                   arithmetic_);
  rank.state = Rank::State::ready;
  rank.ready_since = now();
  show();
  begin_epoch_if_complete();
}

// The first time, it would fail again. Later the checkpoint was good once, so the worker is to blame.
void ReplicaSupervisorState::load_failed(std::int32_t index, const std::string& why) {
  if (settings_.status->state == Status::loading) return give_up("the model cannot be loaded: " + why);
  rank_died(index, "load_failed", {}, 0);
  kill(index);
}

void ReplicaSupervisorState::worker_exited(const WorkerExited& exited) {
  Rank* rank = find(exited.rank, exited.incarnation);
  if (!rank || std::exchange(rank->gone, true)) return;
  log_event(LogLevel::warning, "worker_exited",
            {{"rank", exited.rank}, {"incarnation", exited.incarnation}, {"how", exited.how}});
  // Its last sign of life was a tick, unless it had nothing to do.
  rank_died(exited.rank, "exited", exited.last,
            exited.last.activity == Activity::idle ? 0 : exited.silent_ms);
  if (stopped_) restart_dead();
}

void ReplicaSupervisorState::worker_hangs(const WorkerHangs& hangs) {
  const Rank* rank = find(hangs.rank, hangs.incarnation);
  if (!rank || rank->gone || settings_.status->state == Status::failed) return;
  rank_died(hangs.rank, runtime::to_string(hangs.hang), hangs.last, hangs.silent_ms);
  kill(hangs.rank);
}

void ReplicaSupervisorState::kill(std::int32_t index) {
  // A node that is missing is told when it comes back.
  if (node_of(index)) self_->send(node_of(index), KillWorker{index, ranks_[std::size_t(index)].incarnation});
}

void ReplicaSupervisorState::rank_died(std::int32_t index, const std::string& kind, const Tick& tick,
                                       double detected_ms) {
  Rank& rank = ranks_[std::size_t(index)];
  if (rank.state == Rank::State::dead || settings_.status->state == Status::failed) return;
  rank.state = Rank::State::dead;
  if (rank.worker) {
    self_->demonitor(rank.worker.address());
    self_->send_exit(rank.worker,
                     caf::exit_reason::user_shutdown);  // it may live on a node that was replaced
  }
  rank.worker = WorkerHandle{};
  note_fault(index, kind, tick, detected_ms);
  end_epoch({group_of(index)});
}

// What is dead and has no process any more begins another life, after a pause if it died often.
void ReplicaSupervisorState::restart_dead() {
  for (std::int32_t i = 0; i < settings_.ranks(); ++i) {
    Rank& rank = ranks_[std::size_t(i)];
    if (rank.state != Rank::State::dead || !rank.gone || !node_of(i)) continue;
    const bool lived = rank.ready_since != TimePoint{} && now() - rank.ready_since > healthy_life;
    const auto delay = rank.policy.on_death(std::exchange(rank.progressed, false) || lived);
    if (!delay) return give_up("rank " + std::to_string(i) + " died again and again without a step between");
    ++rank.restarts;
    ++settings_.status->restarts;
    settings_.metrics->worker_restarted();
    rank.state = Rank::State::absent;
    if (delay->count() == 0)
      start_worker(i);
    else
      self_->delayed_send(self_, *delay, StartWorker{i, rank.incarnation});
  }
}

void ReplicaSupervisorState::restart_due(const StartWorker& order) {
  const Rank* rank = find(order.rank, order.incarnation);
  if (rank && rank->state == Rank::State::absent && settings_.status->state != Status::failed)
    start_worker(order.rank);
}

// The link to a worker broke. Most often it died, and its node will say so in a moment; else it keeps what it
// has and comes again.
void ReplicaSupervisorState::cut_off(std::int32_t index) {
  Rank& rank = ranks_[std::size_t(index)];
  self_->demonitor(rank.worker.address());
  rank.worker = WorkerHandle{};
  rank.unanswered = 0;  // what it says of an order from before the cut is lost
  const bool served = rank.state == Rank::State::serving || rank.state == Rank::State::joining;
  rank.state = Rank::State::cut_off;
  if (!served || settings_.status->state == Status::failed) return;
  enquire({index, "cut_off"}, grace_of_link);
}

void ReplicaSupervisorState::ticks(const NodeTicks& ticks) {
  std::uint64_t loaded = 0;
  for (const WorkerTick& each : ticks.workers) {
    Rank* rank = find(each.rank, each.incarnation);
    if (!rank) continue;
    rank->last = each;
    rank->heard = now();
    settings_.metrics->loaded(each.rank, each.tick.loaded_bytes);
  }
  for (const Rank& rank : ranks_) loaded += rank.last.tick.loaded_bytes;
  settings_.status->loaded_bytes = loaded;
  find_blocked();
  show();
}

// All ranks wait, and nothing has moved for the limit: the one furthest behind is at fault, or, if none is,
// what is between them. The first time they meet anew, which harms nobody if it was only slow; the second
// time in a row the culprit is started again. Transfers that only take long are given twice as long each
// time.
void ReplicaSupervisorState::find_blocked() {
  if (settings_.status->state == Status::serving)
    find_blocked_step();
  else if (joining_)
    find_blocked_join();
  find_unanswered();
}

// What a node said long ago is no evidence: it may be cut off.
bool ReplicaSupervisorState::heard_lately(const Rank& rank) const {
  return now() - rank.heard <= settings_.hang_limit / 2;
}
double ReplicaSupervisorState::waited_ms(const Rank& rank) const {
  return heard_lately(rank) ? rank.last.waited_ms : 0;
}

void ReplicaSupervisorState::find_blocked_step() {
  // After a calm time a stall is the first of its kind; one that is going on is none of it.
  const auto patience = [this] { return settings_.hang_limit * (1 << std::min(stalls_, 8)); };
  if (now() - stalled_at_ > std::max<Duration>(calm, 2 * patience())) stalls_ = 0;
  const double limit = double(patience().count());
  std::vector<runtime::RankTick> all;
  bool waits = false;
  double still_ms = std::numeric_limits<double>::infinity();  // since anything moved
  for (std::int32_t i = 0; i < settings_.ranks(); ++i) {
    const Rank& rank = ranks_[std::size_t(i)];
    const Tick& tick = rank.last.tick;
    const bool idle = tick.activity == Activity::idle;
    if (!idle && (tick.activity != Activity::collective || tick.epoch != epoch_)) return;
    if (waited_ms(rank) < limit) return;
    waits |= !idle;
    still_ms = std::min(still_ms, rank.last.silent_ms);
    all.push_back({i, tick});
  }
  if (!waits) return;
  const auto culprit = runtime::find_culprit(all);
  const Rank& rank = ranks_[std::size_t(culprit.value_or(0))];
  if (culprit && stalls_ > 0)
    worker_hangs({*culprit, rank.incarnation, runtime::Hang::asleep, still_ms, rank.last.tick});
  else {
    note_fault(culprit, "collective_blocked", rank.last.tick, still_ms);
    end_epoch({});
  }
  ++stalls_;
  stalled_at_ = now();
}

// A rank that still waits in a collective of an epoch that was aborted will not come out of it.
void ReplicaSupervisorState::find_blocked_join() {
  if (now() - joining_since_ < settings_.hang_limit) return;  // what was heard before is about the last epoch
  for (std::int32_t i = 0; i < settings_.ranks(); ++i) {
    const Rank& rank = ranks_[std::size_t(i)];
    const bool stuck = rank.state == Rank::State::joining && rank.last.tick.activity == Activity::collective;
    if (stuck && waited_ms(rank) >= double(settings_.hang_limit.count()))
      return worker_hangs({i, rank.incarnation, runtime::Hang::asleep, rank.last.silent_ms, rank.last.tick});
  }
}

// Something in its process has hung, and its compute thread may not know.
void ReplicaSupervisorState::find_unanswered() {
  constexpr double silence_ms = std::chrono::milliseconds(longest_search).count();
  for (std::int32_t i = 0; i < settings_.ranks(); ++i) {
    const Rank& rank = ranks_[std::size_t(i)];
    if (!rank.worker || rank.unanswered == 0 || now() - rank.asked_since < longest_search) continue;
    if (heard_lately(rank) && rank.last.silent_ms >= silence_ms)
      return worker_hangs({i, rank.incarnation, runtime::Hang::asleep, rank.last.silent_ms, rank.last.tick});
  }
}

void ReplicaSupervisorState::expert_load(const ExpertLoad& load) {
  const bool fits =
      load.rank >= 0 && load.rank < settings_.ranks() && load.tokens.size() == std::size_t(settings_.experts);
  if (!fits) return settings_.metrics->stale_message();
  settings_.metrics->expert_load(load.rank, load.tokens);
}

}  // namespace troupe::actors
