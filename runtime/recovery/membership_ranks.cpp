// The replica's workers and the nodes that they live on.
#include <algorithm>

#include "runtime/base/error.hpp"
#include "runtime/base/log.hpp"
#include "runtime/recovery/membership.hpp"

namespace troupe::runtime {
namespace {

// A worker whose link broke is given so long to be told dead before its absence ends the epoch. Most often it died, and
// its node says so in a moment, which names the culprit and its step.
constexpr std::chrono::milliseconds grace_of_link{25};

// A worker that lived for so long dies for the first time, step or not: an idle replica commits none.
constexpr std::chrono::seconds healthy_life{60};

using enum RankState;

// What may follow what, and when. Whatever is not here is a fault of this program.
struct Transition {
  RankState before, after;
};
constexpr Transition transitions[]{
    {absent, starting},   // its node is there, and its pause over
    {starting, loading},  // its process linked up
    {loading, ready},     // it has its weights
    {ready, joining},     // all ranks are ready, and the scheduler has let go of the epoch before
    {joining, serving},   // it met the others
    {joining, ready},     // the epoch ended before all had met
    {serving, ready},     // the epoch ended; weights and cache stay
    {loading, cut_off},   // links break at any time, and the process may live on with all that it has
    {ready, cut_off},    {joining, cut_off}, {serving, cut_off}, {cut_off, loading},  // it is back, and is asked whether it has its weights
    {starting, dead},  // an exit, or a hang, is told whatever the rank was at
    {loading, dead},     {ready, dead},      {joining, dead},    {serving, dead},    {cut_off, dead},
    {dead, absent},  // its process is gone, and another may be started
};

FaultKind kind_of(Hang hang) {
  switch (hang) {
    case Hang::stopped:
      return FaultKind::stopped;
    case Hang::busy:
      return FaultKind::stuck;
    case Hang::asleep:
      break;
  }
  return FaultKind::asleep;
}

// Whether what a rank ended of may have to do with what it computed. As ChildProcess says it: nobody sends himself these
// signals, but a kernel without memory sends the first.
EpochEnd::Cause cause_of(const std::string& how) {
  const bool killed = how.starts_with("signal 9 ") || how.starts_with("signal 15 ");
  return killed ? EpochEnd::Cause::killed : EpochEnd::Cause::died;
}
EpochEnd::Cause cause_of(FaultKind hang) {
  if (hang == FaultKind::load_failed) return EpochEnd::Cause::orderly;
  return hang == FaultKind::stopped ? EpochEnd::Cause::killed : EpochEnd::Cause::died;
}

}  // namespace

bool may_follow(RankState before, RankState after) {
  return std::ranges::any_of(
      transitions, [&](const Transition& each) { return each.before == before && each.after == after; });
}

bool Membership::Rank::linked() const {
  return state == loading || state == ready || state == joining || state == serving;
}

void Membership::set(Rank& rank, RankState state) {
  CHECK(may_follow(rank.state, state), to_string(state));
  rank.state = state;
}

Membership::Rank* Membership::find(const WorkerLife& life) {
  const bool known = life.rank >= 0 && life.rank < settings_.ranks() &&
                     ranks_[std::size_t(life.rank)].incarnation == life.incarnation;
  if (!known) orders_.push_back(TellStale{});
  return known ? &ranks_[std::size_t(life.rank)] : nullptr;
}

Orders Membership::on(const NodeArrived& arrived, std::optional<std::int32_t> place, NodeWelcome& welcome,
                      TimePoint now) {
  // The place that it asks for, its own if an answer was lost, or any that is missing but the first, which is for the
  // head's own node: clients' sockets are there.
  std::int32_t wanted = arrived.node;
  if (wanted < 0 || wanted >= settings_.nodes)
    wanted = place.value_or(
        std::int32_t(std::ranges::find(nodes_.begin() + 1, nodes_.end(), false) - nodes_.begin()));
  if (wanted >= settings_.nodes)
    welcome = {-1, "no node of this replica is missing"};
  else if (arrived.build != settings_.build)
    welcome = {-1, "it runs build " + arrived.build + " of troupe, and the replica " + settings_.build};
  else if (nodes_[std::size_t(wanted)] && place != wanted)
    welcome = {-1, "another node has taken its place"};
  else
    welcome = {wanted, ""};
  if (welcome.node >= 0) settle(welcome.node, arrived, now);
  return finish(now);
}

// What lives there goes on: it comes by itself. What ought to live there and does not is started.
void Membership::settle(std::int32_t place, const NodeArrived& arrived, TimePoint now) {
  nodes_[std::size_t(place)] = true;
  log_event(LogLevel::info, "node_arrived", {{"node", place}, {"workers", arrived.workers.size()}});
  if (phase_ == Phase::failed) return;
  for (std::int32_t i = place * settings_.ranks_of_node(); i < (place + 1) * settings_.ranks_of_node(); ++i) {
    Rank& rank = ranks_[std::size_t(i)];
    const bool lives = !rank.exited && std::ranges::count(arrived.workers, life_of(i)) > 0;
    if (lives && rank.state == dead) kill(i);  // the order was lost with the link
    if (lives) continue;
    if (rank.state == absent)
      start(i);
    else if (!rank.exited)
      exited(i, "lost with its node", rank.heard.seen, EpochEnd::Cause::orderly, now);
  }
  if (phase_ != Phase::stopping) restart_dead(now);
}

// Its workers have links of their own: those that died with it are told by these, others go on.
Orders Membership::node_lost(std::int32_t node, TimePoint now) {
  nodes_[std::size_t(node)] = false;
  const std::int32_t first = node * settings_.ranks_of_node();
  for (std::int32_t i = first; i < first + settings_.ranks_of_node(); ++i)
    ranks_[std::size_t(i)].condemned = false;
  log_event(LogLevel::warning, "node_lost", {{"node", node}});
  if (phase_ != Phase::failed) {
    note_fault(first, FaultKind::node_lost, {}, {}, now);
    end_epoch({});
  }
  return finish(now);
}

// Of an absent rank, whose node is there.
void Membership::start(std::int32_t index) {
  Rank& rank = ranks_[std::size_t(index)];
  set(rank, starting);
  ++rank.incarnation;
  rank.exited = rank.condemned = false;
  rank.starts_at.reset();
  rank.heard = {};
  rank.answered = rank.asked;
  rank.ready_since = {};
  orders_.push_back(
      StartWorker{life_of(index), settings_.ranks_of_node(), settings_.hang_limit, settings_.on_gpus});
}

void Membership::start_after_pause(TimePoint now) {
  for (std::int32_t i = 0; i < settings_.ranks(); ++i)
    if (const auto& at = ranks_[std::size_t(i)].starts_at; at && *at <= now && has_node(i)) start(i);
}

Orders Membership::on(const WorkerArrived& arrived, bool& accepted, TimePoint now) {
  Rank* rank = find(arrived.life);
  accepted = rank && rank->state != dead && !rank->exited;
  if (accepted) {
    if (rank->linked()) cut_off(arrived.life.rank, now);  // it is here again before that was noticed
    rank->pid = arrived.pid;
    set(*rank, loading);
    orders_.push_back(Load{arrived.life, served_experts_});  // one that has its weights says so at once
  } else {
    log_event(LogLevel::warning, "stale_worker_refused",
              {{"rank", arrived.life.rank}, {"incarnation", arrived.life.incarnation}});
  }
  return finish(now);
}

Orders Membership::on(const ModelLoaded& loaded, TimePoint now) {
  Rank* rank = find(loaded.life);
  if (!rank || rank->state != loading) return finish(now);
  if (arithmetic_.empty()) arithmetic_ = loaded.arithmetic;
  if (arithmetic_ != loaded.arithmetic) {
    give_up("rank " + std::to_string(loaded.life.rank) + " computes in " + loaded.arithmetic +
            ", others in " + arithmetic_);
    return finish(now);
  }
  set(*rank, ready);
  rank->ready_since = now;
  begin_epoch_if_complete(now);
  return finish(now);
}

// The first time, it would fail again. Later the checkpoint was good once, so the worker is to blame.
Orders Membership::on(const LoadFailed& failed, TimePoint now) {
  const Rank* rank = find(failed.life);
  if (!rank || rank->state != loading) return finish(now);
  if (has_served_)
    hangs(failed.life.rank, FaultKind::load_failed, {}, now);
  else
    give_up("the model cannot be loaded: " + failed.error);
  return finish(now);
}

Orders Membership::on(const WorkerExited& event, TimePoint now) {
  const Rank* rank = find(event.seen.life);
  if (rank && !rank->exited) exited(event.seen.life.rank, event.how, event.seen, cause_of(event.how), now);
  return finish(now);
}

void Membership::exited(std::int32_t index, const std::string& how, const WorkerSeen& seen,
                        EpochEnd::Cause cause, TimePoint now) {
  Rank& rank = ranks_[std::size_t(index)];
  rank.exited = true;
  log_event(LogLevel::warning, "worker_exited",
            {{"rank", index}, {"incarnation", rank.incarnation}, {"how", how}});
  // Its last sign of life was a tick, unless it had nothing to do.
  const bool idle = seen.tick.activity == Activity::idle;
  const bool failed = seen.tick.device.kind != DeviceFaultKind::none;
  died(index, failed ? FaultKind::device_error : FaultKind::exited, seen.tick,
       idle ? Duration{} : seen.silence, cause, now);
  if (phase_ != Phase::stopping) restart_dead(now);
}

// Who hangs while its device is at something hangs of that.
Orders Membership::on(const WorkerHangs& event, TimePoint now) {
  const Rank* rank = find(event.seen.life);
  Heard heard{event.seen, now};
  if (event.hang != Hang::stopped && !heard.seen.tick.device.kernels.empty())
    heard.seen.tick.device.kind = DeviceFaultKind::hang;
  if (rank && !rank->exited) hangs(event.seen.life.rank, kind_of(event.hang), heard, now);
  return finish(now);
}

// A process that goes on, and must not.
void Membership::hangs(std::int32_t index, FaultKind kind, const Heard& heard, TimePoint now) {
  if (phase_ == Phase::failed) return;
  died(index, kind, heard.seen.tick, heard.seen.silence, cause_of(kind), now);
  kill(index);
}

// A node that is missing is told when it comes back.
void Membership::kill(std::int32_t index) {
  if (!has_node(index)) return;
  ranks_[std::size_t(index)].condemned = true;
  orders_.push_back(KillWorker{life_of(index)});
}

void Membership::died(std::int32_t index, FaultKind kind, const Tick& last, Duration detected,
                      EpochEnd::Cause cause, TimePoint now) {
  Rank& rank = ranks_[std::size_t(index)];
  if (rank.state == dead) return;
  if (rank.linked()) orders_.push_back(Dismiss{index});
  set(rank, dead);
  if (phase_ == Phase::failed) return;
  note_fault(index, kind, last, detected, now);
  end_epoch({settings_.group_of(index)}, {cause, last.epoch, last.step});
}

// What is dead and has no process any more begins another life, after a pause if it died often.
void Membership::restart_dead(TimePoint now) {
  if (phase_ == Phase::failed) return;
  for (std::int32_t i = 0; i < settings_.ranks(); ++i) {
    Rank& rank = ranks_[std::size_t(i)];
    if (rank.state != dead || !rank.exited || !has_node(i)) continue;
    const bool lived = rank.ready_since != TimePoint{} && now - rank.ready_since > healthy_life;
    const auto pause = rank.policy.on_death(std::exchange(rank.progressed, false) || lived);
    if (!pause) return give_up("rank " + std::to_string(i) + " died again and again without a step between");
    ++rank.restarts;
    orders_.push_back(TellRestart{i});
    set(rank, absent);
    rank.starts_at = now + *pause;
  }
  start_after_pause(now);
}

Orders Membership::link_lost(std::int32_t rank, TimePoint now) {
  if (ranks_.at(std::size_t(rank)).linked()) cut_off(rank, now);
  return finish(now);
}

void Membership::cut_off(std::int32_t index, TimePoint now) {
  Rank& rank = ranks_[std::size_t(index)];
  const bool served = rank.state == serving || rank.state == joining;
  rank.answered = rank.asked;  // what it says of an order from before the cut is lost
  set(rank, RankState::cut_off);
  if (served && phase_ != Phase::failed) enquire({index, FaultKind::cut_off, now + grace_of_link});
}

void Membership::check() const {
  for (std::int32_t i = 0; i < settings_.ranks(); ++i) {
    const Rank& rank = ranks_[std::size_t(i)];
    CHECK(rank.state == absent || rank.incarnation > 0, "a life without a number");
    // What has a process never gets another one beside it; what has none is about to get one.
    CHECK(rank.exited == (rank.state == absent || (rank.state == dead && rank.exited)),
          "a process in a state without");
    CHECK((rank.state == absent && phase_ != Phase::failed) || !rank.starts_at,
          "a start of what has been started, or in a replica that has failed");
    CHECK(rank.answered <= rank.asked && rank.asked <= epoch_, "an answer to an order that was not given");
    if (phase_ == Phase::failed) continue;
    // Nobody waits for an exit that nobody was asked for.
    CHECK(rank.state != dead || rank.exited || rank.condemned || !has_node(i),
          "a dead rank whose process may live");
    CHECK(rank.state != absent || rank.starts_at || !has_node(i), "an absent rank that nothing will start");
    // One epoch: the one that is joined or served is the replica's.
    const bool in = rank.state == joining || rank.state == serving;
    CHECK(!in || ((phase_ == Phase::joining || phase_ == Phase::serving) && rank.epoch == epoch_),
          "a rank in an epoch that is over");
    // An epoch that lost a rank is ended, or is about to be.
    CHECK((phase_ != Phase::joining && phase_ != Phase::serving) || in || enquiry_,
          "an epoch with a rank missing");
    CHECK(phase_ != Phase::serving || rank.state != joining, "an epoch that is served before all have met");
  }
  if (phase_ == Phase::failed) return;
  const bool complete = std::ranges::all_of(ranks_, [](const Rank& rank) { return rank.state == ready; });
  CHECK(phase_ != Phase::gathering || !complete || not_before_ > last_event_,
        "nothing is missing, and nothing happens");
  CHECK(!enquiry_ || phase_ == Phase::joining || phase_ == Phase::serving,
        "an enquiry into an epoch that is over");
  CHECK(recovered_ || fault_, "a recovery from nothing");
}

}  // namespace troupe::runtime
