// Epochs, faults and the parts of the head's process.
#include "runtime/recovery/membership.hpp"

#include <algorithm>

#include "runtime/base/error.hpp"
#include "runtime/base/log.hpp"

namespace troupe::runtime {
namespace {

// A part of the head's process that lived for so long dies for the first time.
constexpr std::chrono::milliseconds healthy_part{500};

// Between two attempts of the ranks to meet; doubles from the first to the longest.
constexpr std::chrono::milliseconds first_pause{50}, longest_pause{5000};

// For a rank to say whether it met the others; its communicators give up earlier.
constexpr std::chrono::seconds longest_search{10};

}  // namespace

Membership::Membership(MembershipSettings settings)
    : settings_(std::move(settings)),
      ranks_(std::size_t(settings_.ranks()), Rank(settings_.restarts)),
      nodes_(std::size_t(settings_.nodes)),
      scheduler_(settings_.restarts),
      blocks_(std::size_t(settings_.data_parallel), Part(settings_.restarts)),
      stalls_(settings_.hang_limit) {
  CHECK(settings_.nodes > 0 && settings_.ranks() % settings_.nodes == 0,
        "ranks are spread evenly over nodes");
}

Orders Membership::begin(TimePoint now) {
  orders_.push_back(MakeScheduler{epoch_});
  for (const GroupId group : all_groups()) orders_.push_back(MakeBlocks{group, epoch_});
  end_epoch({});
  return finish(now);
}

std::vector<GroupId> Membership::all_groups() const {
  std::vector<GroupId> all;
  for (GroupId group = 0; group < blocks_.size(); ++group) all.push_back(group);
  return all;
}

Orders Membership::finish(TimePoint now) {
  begin_epoch_if_complete(now);  // a pause may be over that due() has not been told of yet
  last_event_ = now;
  check();
  return std::exchange(orders_, {});
}

// lost: groups whose caches are void.
void Membership::end_epoch(const std::vector<GroupId>& lost, const EpochEnd& how) {
  if (phase_ == Phase::failed) return;
  ++epoch_;
  phase_ = Phase::stopping;
  enquiry_.reset();  // whatever it was about, all begin anew
  // Before the scheduler is told: until it has let go, no rank may go on waiting for one that is gone.
  orders_.push_back(AbortEpochs{epoch_});
  for (Rank& rank : ranks_)
    if (rank.state == RankState::serving || rank.state == RankState::joining) set(rank, RankState::ready);
  for (const GroupId group : lost) orders_.push_back(VoidBlocks{group, epoch_});
  orders_.push_back(StopEpoch{epoch_, lost, how});
}

Orders Membership::on(const EpochStopped& stopped, TimePoint now) {
  if (stopped.steps_committed > 0) refused_plans_ = 0;
  // A sequence that kills may be in the first step of every epoch until it is found.
  if (stopped.steps_committed > 0 || stopped.search_advanced)
    for (Rank& rank : ranks_) rank.progressed = true;
  // The answer to an order that another one has overtaken is no leave to go on.
  if (phase_ == Phase::stopping && stopped.next == epoch_) {
    phase_ = Phase::gathering;
    restart_dead(now);
    begin_epoch_if_complete(now);
  }
  return finish(now);
}

void Membership::begin_epoch_if_complete(TimePoint now) {
  if (phase_ != Phase::gathering || now < not_before_) return;
  if (std::ranges::any_of(ranks_, [](const Rank& rank) { return rank.state != RankState::ready; })) return;
  phase_ = Phase::joining;
  joining_since_ = now;
  for (Rank& rank : ranks_) {
    set(rank, RankState::joining);
    rank.epoch = epoch_;
    if (rank.asked == rank.answered) rank.asked_since = now;
    rank.asked = epoch_;
  }
  orders_.push_back(Join{epoch_, experts_});
}

// It takes its orders in turn, so that an answer for one is an answer for those before it.
void Membership::answered(Rank& rank, Epoch epoch, TimePoint now) {
  if (epoch <= rank.answered || epoch > rank.asked) return;
  rank.answered = epoch;
  rank.asked_since = now;
}

Orders Membership::on(const Joined& joined, TimePoint now) {
  if (Rank* rank = find(joined.life)) {
    answered(*rank, joined.epoch, now);
    if (phase_ == Phase::joining && joined.epoch == epoch_ && rank->state == RankState::joining) {
      set(*rank, RankState::serving);
      if (std::ranges::all_of(ranks_, [](const Rank& each) { return each.state == RankState::serving; }))
        serve(now);
    }
  }
  return finish(now);
}

// A rank could not have its experts: they stay where they were. Or it could not meet another: if one died, its end is
// told otherwise; if not, they try again.
Orders Membership::on(const JoinFailed& failed, TimePoint now) {
  Rank* rank = find(failed.life);
  if (rank) answered(*rank, failed.epoch, now);
  if (!rank || phase_ != Phase::joining || failed.epoch != epoch_) return finish(now);
  log_event(LogLevel::warning, "join_failed",
            {{"rank", failed.life.rank}, {"epoch", epoch_}, {"error", failed.error}});
  if (failed.why == JoinFailed::Why::cannot_meet && !has_served_) {  // nor will they the next time
    give_up("the ranks cannot meet: " + failed.error);
    return finish(now);
  }
  if (failed.why == JoinFailed::Why::no_experts && experts_ != served_experts_) {
    log_event(LogLevel::error, "placement_taken_back", {{"rank", failed.life.rank}});
    experts_ = served_experts_;
  }
  pause(failed_joins_, now);
  end_epoch({});
  return finish(now);
}

// Before the next epoch begins, and twice as long each time in a row.
void Membership::pause(int& in_a_row, TimePoint now) {
  not_before_ = now + std::min(longest_pause, first_pause * (1 << std::min(in_a_row++, 10)));
}

void Membership::serve(TimePoint now) {
  failed_joins_ = 0;
  served_experts_ = experts_;
  phase_ = Phase::serving;
  has_served_ = true;
  orders_.push_back(Serve{epoch_});
  log_event(LogLevel::info, "epoch_began",
            {{"epoch", epoch_}, {"ranks", ranks_.size()}, {"arithmetic", arithmetic_}});
  if (std::exchange(recovered_, true)) return;
  fault_->recovered = now - fault_at_;
  for (Rank& rank : ranks_)
    if (rank.fault && !rank.fault->recovered) rank.fault->recovered = fault_->recovered;
  orders_.push_back(TellRecovery{*fault_->recovered});
  log_event(LogLevel::info, "recovered",
            {{"epoch", epoch_}, {"recovered_ms", milliseconds(*fault_->recovered)}});
}

void Membership::note_fault(std::optional<std::int32_t> rank, FaultKind kind, const Tick& last,
                            Duration detected, TimePoint now) {
  log_event(LogLevel::warning, "fault",
            {{"kind", to_string(kind)},
             {"rank", rank ? nlohmann::json(*rank) : nlohmann::json()},
             {"epoch", epoch_},
             {"step", last.step},
             {"layer", last.layer},
             {"collective", to_string(last.collective)},
             {"device_error", to_string(last.device.kind)},
             {"kernels", last.device.kernels},
             {"detected_ms", milliseconds(detected)}});
  // Until everything is back, it is one recovery, counted from its first fault.
  if (std::exchange(recovered_, false)) fault_at_ = now;
  fault_ = FaultView{rank, kind, last, detected, std::nullopt};
  if (rank) ranks_[std::size_t(*rank)].fault = fault_;
  orders_.push_back(TellFault{*fault_});
}

// A plan was refused: the ranks do not know what the scheduler thinks that they know, and must be told anew.
// Or a collective failed without a word of who is at fault: a death or a hang is told within the limit. If none is, what
// is between the ranks failed, and they meet anew.
Orders Membership::on(const StepFailed& failed, TimePoint now) {
  if (failed.epoch != epoch_) {
    orders_.push_back(TellStale{});
    return finish(now);
  }
  log_event(LogLevel::warning, "step_failed",
            {{"rank", failed.life.rank}, {"epoch", failed.epoch}, {"error", failed.error}});
  if (phase_ != Phase::serving) return finish(now);
  if (failed.why == StepFailed::Why::plan) {  // in a new epoch it is told everything again
    note_fault(failed.life.rank, FaultKind::plan_refused, {}, {}, now);
    pause(refused_plans_, now);
    end_epoch({});
  } else {
    enquire(
        {std::nullopt, FaultKind::collective_failed, now + settings_.hang_limit + settings_.hang_limit / 4});
  }
  return finish(now);
}

// A culprit is better news than none, and the sooner end counts.
void Membership::enquire(Enquiry enquiry) {
  if (enquiry_ && (enquiry_->rank || !enquiry.rank)) return;
  if (enquiry_) enquiry.ends = std::min(enquiry.ends, enquiry_->ends);
  enquiry_ = enquiry;
}

Orders Membership::due(TimePoint now) {
  if (phase_ == Phase::failed) return finish(now);
  start_after_pause(now);
  if (enquiry_ && now >= enquiry_->ends) {
    note_fault(enquiry_->rank, enquiry_->kind, {}, {}, now);
    end_epoch({}, {EpochEnd::Cause::unexplained});
  }
  begin_epoch_if_complete(now);
  return finish(now);
}

std::optional<TimePoint> Membership::next_deadline() const {
  if (phase_ == Phase::failed) return std::nullopt;
  std::optional<TimePoint> next;
  const auto earlier = [&](TimePoint at) { next = std::min(next.value_or(at), at); };
  if (enquiry_) earlier(enquiry_->ends);
  if (not_before_ > last_event_) earlier(not_before_);
  for (std::int32_t i = 0; i < settings_.ranks(); ++i)
    if (const Rank& rank = ranks_[std::size_t(i)]; rank.starts_at && has_node(i)) earlier(*rank.starts_at);
  return next;
}

Orders Membership::scheduler_died(TimePoint now) {
  part_died(scheduler_, FaultKind::scheduler_died, all_groups(), MakeScheduler{epoch_}, now);
  return finish(now);
}

Orders Membership::blocks_died(GroupId group, TimePoint now) {
  part_died(blocks_.at(group), FaultKind::kv_block_manager_died, {group}, MakeBlocks{group, epoch_}, now);
  return finish(now);
}

// What the scheduler knew the requests know, and a block manager's blocks are void without it.
void Membership::part_died(Part& part, FaultKind kind, const std::vector<GroupId>& lost,
                           const Order& successor, TimePoint now) {
  if (phase_ == Phase::failed) return;
  const bool lived = now - std::exchange(part.died, now) > healthy_part;
  note_fault(std::nullopt, kind, {}, {}, now);
  if (!part.policy.on_death(lived))
    return give_up(std::string(kind == FaultKind::scheduler_died ? "scheduler" : "kv_block_manager") +
                   " died again and again");
  orders_.push_back(successor);
  end_epoch(lost);
}

void Membership::end() {
  phase_ = Phase::failed;
  for (Rank& rank : ranks_) rank.starts_at.reset();
}

void Membership::give_up(const std::string& why) {
  if (phase_ == Phase::failed) return;
  end();
  log_event(LogLevel::error, "replica_failed", {{"epoch", epoch_}, {"reason", why}});
  orders_.push_back(GiveUp{why});
}

Orders Membership::on(const PlaceExpert& order, TimePoint now) {
  CHECK(order.expert >= 0 && std::size_t(order.expert) < settings_.spread_experts.size(),
        "an expert that the model has");
  if (experts_.empty()) experts_ = served_experts_ = settings_.spread_experts;
  experts_[std::size_t(order.expert)] = order.ranks;
  log_event(LogLevel::info, "expert_placed", {{"expert", order.expert}, {"ranks", order.ranks}});
  end_epoch({});
  return finish(now);
}

Orders Membership::on(const NodeTicks& ticks, TimePoint now) {
  for (const WorkerSeen& seen : ticks.workers)
    if (Rank* rank = find(seen.life)) rank->heard = {seen, now};
  find_blocked(now);
  return finish(now);
}

void Membership::find_blocked(TimePoint now) {
  if (phase_ == Phase::serving)
    find_blocked_step(now);
  else if (phase_ == Phase::joining)
    find_blocked_join(now);
  if (phase_ != Phase::failed) find_unanswered(now);
}

void Membership::find_blocked_step(TimePoint now) {
  std::vector<const Heard*> all;
  for (const Rank& rank : ranks_) all.push_back(&rank.heard);
  const auto stall = stalls_.look(now, epoch_, all);
  if (!stall) return;
  Heard of_culprit = ranks_[std::size_t(stall->culprit.value_or(0))].heard;
  of_culprit.seen.silence = stall->still;
  if (stall->culprit && stall->again) return hangs(*stall->culprit, FaultKind::asleep, of_culprit, now);
  note_fault(stall->culprit, FaultKind::collective_blocked, of_culprit.seen.tick, stall->still, now);
  end_epoch({});
}

// A rank that still waits in a collective of an epoch that was aborted will not come out of it.
void Membership::find_blocked_join(TimePoint now) {
  if (now - joining_since_ < settings_.hang_limit) return;  // what was heard before is about the last epoch
  for (std::int32_t i = 0; i < settings_.ranks(); ++i) {
    const Rank& rank = ranks_[std::size_t(i)];
    const bool stuck =
        rank.state == RankState::joining && rank.heard.seen.tick.activity == Activity::collective;
    if (stuck && stalls_.waited(now, rank.heard) >= settings_.hang_limit)
      return hangs(i, FaultKind::asleep, rank.heard, now);
  }
}

// Something in its process has hung, and its compute thread may not know.
void Membership::find_unanswered(TimePoint now) {
  for (std::int32_t i = 0; i < settings_.ranks(); ++i) {
    const Rank& rank = ranks_[std::size_t(i)];
    if (!rank.linked() || rank.asked == rank.answered || now - rank.asked_since < longest_search) continue;
    if (stalls_.heard_lately(now, rank.heard) && rank.heard.seen.silence >= longest_search)
      return hangs(i, FaultKind::asleep, rank.heard, now);
  }
}

ReplicaState Membership::state() const {
  if (phase_ == Phase::failed) return ReplicaState::failed;
  if (phase_ == Phase::serving) return ReplicaState::serving;
  return has_served_ ? ReplicaState::recovering : ReplicaState::loading;
}

ReplicaView Membership::view() const {
  ReplicaView view{epoch_, state(), {}, fault_, arithmetic_};
  for (std::int32_t i = 0; i < settings_.ranks(); ++i) {
    const Rank& rank = ranks_[std::size_t(i)];
    const Tick& tick = rank.heard.seen.tick;
    view.ranks.push_back({i, settings_.node_of(i), rank.pid, rank.state, tick.epoch == epoch_ ? tick.step : 0,
                          rank.restarts, tick.loaded_bytes, rank.fault});
  }
  return view;
}

}  // namespace troupe::runtime
