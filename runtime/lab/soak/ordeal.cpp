// What happens to a scheduler in its ordeal.
#include "runtime/lab/soak/ordeal.hpp"

#include <algorithm>

#include "runtime/lab/soak/nonsense.hpp"
#include "runtime/lab/soak/promise.hpp"

namespace troupe::runtime::lab {

Ordeal::Ordeal(Chance& chance, std::string policy, std::int32_t groups, Tally& tally)
    : chance_(chance),
      policy_(std::move(policy)),
      groups_(groups),
      misunderstands_(std::ranges::count(misunderstandings(), policy_) > 0),
      shadow_(drawn_shadow()),
      limits_(random_limits()),
      forces_(chance.below(2) == 0),
      tally_(tally) {
  const std::int32_t longest = (limits_.max_model_len + limits_.block_size - 1) / limits_.block_size;
  for (GroupId group = 0; group < GroupId(groups); ++group) {
    const std::int32_t blocks = longest + chance.below(20);
    pools_.emplace_back(blocks, limits_.block_size, limits_.prefix_caching, epoch_);
    executors_.emplace_back(blocks, limits_.block_size, group, limits_.speculation.tokens, forces_);
  }
  start_scheduler();
}

// One half of all lives have none.
std::string Ordeal::drawn_shadow() {
  std::vector<std::string> names = policy_names();
  for (const std::string& each : misunderstandings()) names.push_back(each);
  const auto drawn = std::size_t(chance_.below(std::int32_t(2 * names.size())));
  return drawn < names.size() ? names[drawn] : "";
}

SchedulerLimits Ordeal::random_limits() {
  SchedulerLimits limits;
  limits.max_num_batched_tokens = chance_.between(1, 40);
  limits.max_num_seqs = chance_.between(1, 12);
  limits.max_model_len = chance_.between(8, 48);
  limits.max_step_time = std::chrono::milliseconds(chance_.below(3) * 20);
  limits.max_steps_in_flight = chance_.between(1, 2);
  limits.speculation = {DraftMethod::mtp, chance_.below(4), chance_.below(2) == 0};
  limits.max_waiting = chance_.between(1, 20);
  limits.block_size = chance_.between(1, 6);
  limits.prefix_caching = chance_.below(4) != 0;
  return limits;
}

void Ordeal::start_scheduler() {
  scheduler_.emplace(
      limits_, [this] { return make_any_policy(policy_, chance_); }, groups_, epoch_);
  if (!shadow_.empty()) scheduler_->shadow_with([this] { return make_any_policy(shadow_, chance_); });
  last_step_ = 0;
}

std::uint64_t Ordeal::run() {
  constexpr int most_steps = 200'000;
  while (!chance_.spent()) step();
  for (auto& [id, each] : live_) set_running(id);
  for (int steps = 0; !live_.empty(); ++steps) {
    hold(steps < most_steps, "sequences never finish");
    while (!homeless_.empty()) resubmit();
    step();
  }
  for (propose(); !mail_.empty(); propose()) step();  // the pools hear of the last releases
  check_end();
  return digest_;
}

Ordeal::Live& Ordeal::live(SequenceId id) {
  const auto found = live_.find(id);
  hold(found != live_.end(), "a sequence that has ended, or never was, is spoken of");
  return found->second;
}

void Ordeal::step() {
  now_ += std::chrono::milliseconds(1 + chance_.below(40));
  scheduler_->time_is(now_);
  happen();
  if (mail_.empty() || chance_.below(3) == 0) propose();
  if (mail_.empty()) return;
  auto next = mail_.begin() + chance_.below(std::int32_t(mail_.size()));
  if (const auto* work = std::get_if<Work>(&next->content))  // a worker hears of its steps in their order
    next = std::ranges::find_if(mail_, [group = work->group](const Mail& mail) {
      const auto* first = std::get_if<Work>(&mail.content);
      return first && first->group == group;
    });
  const Mail mail = std::move(*next);
  mail_.erase(next);
  std::visit([&](const auto& content) { arrive(content, mail.begun); }, mail.content);
}

// Something from outside, or nothing.
void Ordeal::happen() {
  switch (chance_.spent() ? 0 : chance_.below(40)) {
    case 1:
    case 2:
    case 3:
    case 4:
      return submit();
    case 5:
      if (!homeless_.empty()) resubmit();
      return;
    case 6:
      return with_any([&](SequenceId id) { cancel(id); });
    case 7:
      return with_any([&](SequenceId id) {
        scheduler_->pause(id);
        live(id).paused = !live(id).homeless;
      });
    case 8:
    case 9:
      return with_any([&](SequenceId id) { set_running(id); });
    case 10:
      if (chance_.below(4) == 0) fault();
      return;
    case 11:
      if (chance_.below(40) == 0) die();
      return;
    case 12:
      return with_any([&](SequenceId id) {
        scheduler_->hold(id);
        live(id).held = !live(id).homeless;
      });
    case 13:
      if (chance_.below(4) == 0) change_policy();
  }
}

void Ordeal::change_policy() {
  const std::vector<std::string> names = policy_names();
  const std::string& name = names[std::size_t(chance_.below(std::int32_t(names.size())))];
  scheduler_->use_policy([&] { return make_policy(name); });
  ++tally_.policy_changes;
}

void Ordeal::submit() {
  Submission submission;
  submission.sequence = ++last_id_;
  submission.arrival = last_id_ / 2;  // some share their place
  submission.prompt_tokens = chance_.between(1, limits_.max_model_len - 1);
  const std::int32_t family = chance_.below(3);  // few beginnings, so that prefixes are shared
  for (std::int32_t i = 0; i < submission.prompt_tokens; ++i) submission.tokens.push_back(family + i % 5);
  if (chance_.below(2) == 0) submission.tokens.back() = chance_.below(50);
  submission.max_output_tokens = chance_.between(1, 12);
  submission.sampling.seed = std::uint64_t(chance_.below(3));
  if (chance_.below(16) == 1) submission.sampling.seed = toy_breaking_seed;
  if (last_id_ % 8 == 5) submission.sampling.prompt_logprobs = 0;
  submission.stop_ids = {3, chance_.below(50)};
  submission.priority = chance_.below(3);
  submission.caller = std::uint64_t(chance_.below(4));
  submission.predicted_output = chance_.below(12);
  if (chance_.below(2) == 0) submission.slo = {chance_.below(500), chance_.below(50), chance_.below(2000)};
  const bool full = scheduler_->stats().waiting >= limits_.max_waiting, held = chance_.below(8) == 1;
  hold(bool(scheduler_->submit(submission, held)) != full, "a full queue took one more, or another refused");
  if (full) return;
  Live& own = live_[submission.sequence];
  own.submission = submission;
  own.held = held;
  own.kills = chance_.below(32) == 1;
  for (TokenId token : submission.tokens)
    own.digests.push_back(toy_digest(own.digests.empty() ? 0 : own.digests.back(), token));
}

void Ordeal::resubmit() {
  const auto next = homeless_.begin() + chance_.below(std::int32_t(homeless_.size()));
  Live& own = live(*next);
  homeless_.erase(next);
  own.homeless = false;
  Submission again = own.submission;
  again.tokens.insert(again.tokens.end(), own.outputs.begin(), own.outputs.end());
  again.resubmitted = true;
  tally_.resubmitted_to_full_queue += scheduler_->stats().waiting >= limits_.max_waiting;
  hold(bool(scheduler_->submit(again)), "a full queue refused a replay");
}

void Ordeal::cancel(SequenceId id) {
  scheduler_->cancel(id);
  std::erase(homeless_, id);
  live_.erase(id);
  ++tally_.cancelled;
  tally_.cancelled_in_flight += !in_flight_.empty();
}

void Ordeal::set_running(SequenceId id) {
  scheduler_->resume(id);
  scheduler_->release(id);
  live(id).paused = live(id).held = false;
}

// Some groups lose their storage, or none does; the others' workers drop what they were at.
void Ordeal::fault() {
  const bool asked = std::ranges::any_of(
      mail_, [&](const Mail& mail) { return mail.begun == epoch_ && mail.content.index() < 2; });
  ++(!in_flight_.empty() ? tally_.faults_in_flight : asked ? tally_.faults_asked : tally_.faults_between);
  std::vector<GroupId> lost;
  for (GroupId group = 0; group < GroupId(groups_); ++group)
    if (chance_.below(3) == 0) lost.push_back(group);
  EpochEnd how{EpochEnd::Cause(chance_.below(4)), epoch_, 0};
  if (!in_flight_.empty() && chance_.below(2) == 1) how.step = in_flight_.front().plans.front().step;
  end_epoch(lost, how);
}

void Ordeal::end_epoch(const std::vector<GroupId>& lost, const EpochEnd& how) {
  for (GroupId group = 0; group < GroupId(groups_); ++group)
    if (std::ranges::count(lost, group) == 0) break_off(group);
  const auto forgotten = scheduler_->start_epoch(++epoch_, lost, how);
  if (const auto id = scheduler_->quarantined()) {
    check_quarantined(*id);
    live_.erase(*id);
    ++tally_.quarantined;
  }
  void_steps();
  for (GroupId group : lost) lose_storage(group);
  check_forgotten(forgotten, lost);
  for (SequenceId id : forgotten) make_homeless(id);
}

// A worker leaves the step that it is at, or is told of next.
void Ordeal::break_off(GroupId group) {
  const auto next = std::ranges::find_if(
      in_flight_, [&](const Flight& flight) { return !flight.executed.contains(group); });
  if (next != in_flight_.end()) executors_[group].break_off(next->plans[group]);
}

void Ordeal::void_steps() {
  in_flight_.clear();
  granted_.clear();
  for (auto& [id, each] : live_) {
    each.begun = false;
    each.samples_in_flight = each.drafts_in_flight = 0;
  }
}

// The scheduler, and with it what it knew of everybody's blocks.
void Ordeal::die() {
  ++tally_.deaths;
  ++epoch_;
  void_steps();
  count(scheduler_->stats());
  start_scheduler();
  for (GroupId group = 0; group < GroupId(groups_); ++group) lose_storage(group);
  for (const auto& [id, each] : live_)
    if (!each.homeless) make_homeless(id);
}

void Ordeal::lose_storage(GroupId group) {
  executors_[group].poison();
  pools_[group].reset(scheduler_->generation(group));
}

void Ordeal::make_homeless(SequenceId id) {
  Live& own = live(id);
  own.homeless = true;
  own.paused = own.held = false;
  own.group.reset();
  own.computed = 0;
  homeless_.push_back(id);
}

void Ordeal::propose() {
  for (BlockRequest& request : scheduler_->propose()) {
    bool runnable = false;
    for (SequenceId id : request.preemption_order) {
      Live& own = live(id);
      hold(!own.homeless, "a sequence that was forgotten is proposed");
      hold(own.group.value_or(request.group) == request.group, "a sequence changed its group");
      own.group = request.group;
      runnable |= !own.paused && !own.held && own.samples_in_flight == 0 && !scheduler_->withheld(id);
    }
    if (!misunderstands_ && runnable) {
      hold(!request.wants.empty(), "nobody runs, though somebody could");
      hold(request.wants.front().sequence == request.preemption_order.back(),
           "the most urgent is not the last to be preempted");
    }
    for (SequenceId id : request.released) lose_blocks(id);
    mail_.push_back({epoch_, std::move(request)});
  }
}

void Ordeal::lose_blocks(SequenceId id) {
  if (const auto found = live_.find(id); found != live_.end()) found->second.computed = 0;
}

void Ordeal::arrive(const BlockRequest& request, Epoch begun) {
  BlockPool& pool = pools_[request.group];
  const BlockReply reply = pool.reserve(request);
  if (chance_.below(8) == 0) pool.check();
  mail_.push_back({begun, reply});
  for (const BlockGrant& grant : reply.grants)
    hold(std::ranges::count(reply.preempted, grant.sequence) == 0, "a sequence is granted and preempted");
  if (request.generation != scheduler_->generation(request.group)) {
    hold(reply.grants.empty() && reply.preempted.empty(), "blocks of a lost cache are granted");
  } else if (!misunderstands_ && !request.wants.empty()) {
    hold(!reply.grants.empty() && reply.grants.front().sequence == request.wants.front().sequence,
         "the first has no progress");
  }
}

void Ordeal::arrive(const BlockReply& reply, Epoch begun) {
  const bool dropped = reply.generation != scheduler_->generation(reply.group), late = begun != epoch_;
  tally_.dropped_replies += dropped;
  tally_.late_replies += late && !dropped;
  if (!dropped)
    for (SequenceId id : reply.preempted) lose_blocks(id);
  if (!late)
    for (const BlockGrant& grant : reply.grants) granted_.insert(grant.sequence);
  auto plans = scheduler_->dispose(reply);
  if (plans.empty()) return;
  hold(!late, "a plan from the reply to a step that is void");
  check_plans(plans);
  ++tally_.steps;
  tally_.overlapping += !in_flight_.empty();
  granted_.clear();
  Flight& flight = in_flight_.emplace_back();
  for (const StepPlan& plan : plans) {
    mail_.push_back({epoch_, Work{plan.group, plan}});
    if (has_killer(plan)) flight.deadly.insert(plan.group);
  }
  flight.plans = std::move(plans);
  hold(std::int32_t(in_flight_.size()) <= limits_.max_steps_in_flight, "too many steps are in flight");
}

void Ordeal::arrive(const Work& work, Epoch begun) {
  if (begun != epoch_) return;  // a worker has left the epoch
  if (flight_of(work.plan.step)->deadly.contains(work.group)) {
    ++tally_.killed_by_sequences;
    return end_epoch({work.group}, {EpochEnd::Cause::died, epoch_, work.plan.step});
  }
  flight_of(work.plan.step)->executed.insert(work.group);
  const StepResult result = executors_[work.group].execute(work.plan);
  if (chance_.below(8) == 1) check_nonsense_is_seen(result);
  mail_.push_back({begun, result});
  if (chance_.below(8) == 1)
    mail_.push_back({begun, executors_[work.group].execute(work.plan)});  // a plan that came twice
}

std::deque<Ordeal::Flight>::iterator Ordeal::flight_of(StepId step) {
  return std::ranges::find_if(in_flight_,
                              [&](const Flight& flight) { return flight.plans.front().step == step; });
}

void Ordeal::arrive(const StepResult& result, Epoch begun) {
  const auto flight = begun == epoch_ ? flight_of(result.step) : in_flight_.end();
  const bool awaited = flight != in_flight_.end() && flight->results.emplace(result.group, result).second;
  tally_.stale_results += !awaited;
  const auto committed = scheduler_->commit(result);
  if (!awaited || in_flight_.front().results.size() < pools_.size())
    return hold(committed.empty(), "a step that is not over was committed");
  for (; !in_flight_.empty() && in_flight_.front().results.size() == pools_.size(); in_flight_.pop_front())
    for (const StepPlan& plan : in_flight_.front().plans)
      count_parts(plan, in_flight_.front().results.at(plan.group));
  for (const CommittedToken& token : committed) receive(token);
}

void Ordeal::receive(const CommittedToken& token) {
  Live& own = live(token.sequence);
  hold(!own.kills, "a token of a sequence whose prompt nobody can compute");
  hold(!own.homeless, "a token of a sequence that was forgotten");
  hold(token.output_position == own.outputs.size(), "a token came twice, or one is missing");
  check_prompt(own, token);
  own.outputs.push_back(token.sampled.token);
  own.digests.push_back(toy_digest(own.digests.back(), token.sampled.token));
  if (token.finish == FinishReason::none) return;
  const ToyOutput alone = toy_output(own.submission, limits_.max_model_len);
  hold(alone.tokens == own.outputs && alone.finish == token.finish, "it gets other tokens alone");
  ++tally_.finished;
  tally_.broken_logits += token.finish == FinishReason::error;
  live_.erase(token.sequence);
}

}  // namespace troupe::runtime::lab
