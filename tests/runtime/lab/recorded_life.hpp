// A step cycle with block pools and ranks that compute a toy, in a life full of accidents: answers come in any order, sequences
// are cancelled, paused, held and interrupted, groups lose their caches, the scheduler dies and its policy changes. Recorded.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <random>

#include "runtime/lab/soak/toy_executor.hpp"
#include "runtime/scheduling/block_pool.hpp"
#include "runtime/scheduling/recording/schedule_recorder.hpp"
#include "runtime/scheduling/step_cycle.hpp"

namespace troupe::runtime::lab {

class RecordedLife {
 public:
  RecordedLife(CycleListener& listener, std::string policy, std::uint32_t seed, std::int32_t groups)
      : listener_(listener),
        policy_{std::move(policy)},
        random_(seed),
        groups_(groups),
        plans_(std::size_t(groups)) {
    limits_ = {.max_num_batched_tokens = 8 + below(40),
               .max_step_time = std::chrono::milliseconds(below(3) * 20),
               .max_num_seqs = 2 + below(6),
               .max_model_len = 64,
               .max_steps_in_flight = 1 + below(2),
               .speculation = {DraftMethod::mtp, below(3), below(2) == 0},
               .max_waiting = 20,
               .max_waiting_tokens = 300,
               .max_waiting_per_caller = 8,
               .block_size = 1 + below(5),
               .prefix_caching = below(5) != 0};
    const std::int32_t blocks = 64 / limits_.block_size + 1 + below(20);
    for (GroupId group = 0; group < GroupId(groups); ++group) {
      pools_.emplace_back(blocks, limits_.block_size, limits_.prefix_caching, epoch_);
      executors_.emplace_back(blocks, limits_.block_size, group, limits_.speculation.tokens, below(2) == 0);
    }
    start_scheduler();
    carry(cycle_->begin_epoch(epoch_));
  }

  void run(int events) {
    while (events-- > 0) happen();
    while (!homeless_.empty()) resubmit();
    for (const auto& [id, each] : live_) carry(cycle_->release(id)), carry(cycle_->resume(id));
    for (int rest = 0; !live_.empty(); ++rest) {
      CHECK(rest < 100'000, "sequences never finish");
      deliver();
    }
    while (work_waits()) deliver();
  }

  const std::string& plans() const { return bytes_; }  // of all steps, packed
  std::uint64_t finished = 0, submitted = 0, preempted = 0, deaths = 0, faults = 0, quarantined = 0, late = 0;

 private:
  struct Live {
    Submission submission;
    std::vector<TokenId> outputs;
  };

  std::int32_t below(std::int32_t end) { return std::int32_t(random_() % std::uint32_t(end)); }

  void start_scheduler() {
    cycle_.emplace(
        limits_, [this] { return make_policy(policy_.name); }, groups_, epoch_);
    tick();
    cycle_->listen(listener_, policy_);
  }
  void tick() {
    for (const SequenceId each : cycle_->time_is(now_ += std::chrono::microseconds(1 + below(30'000))))
      late += live_.erase(each);
  }

  void carry(StepCycle::Work work) {
    if (!work.plans.empty()) bytes_ += packed_bytes(without_text({work.plans}));
    for (StepPlan& plan : work.plans) plans_[plan.group].push_back(std::move(plan));
    for (const BlockRequest& request : work.requests) {
      replies_.emplace_back(epoch_, pools_[request.group].reserve(request));
      preempted += replies_.back().second.preempted.size();
    }
  }

  bool work_waits() const {
    return !replies_.empty() || std::ranges::any_of(plans_, [](const auto& each) { return !each.empty(); });
  }

  // A pool's answer, or a step of a group.
  void deliver() {
    tick();
    if (!replies_.empty() && below(2) == 0) {
      const auto next = replies_.begin() + below(std::int32_t(replies_.size()));
      const auto [asked_in, reply] = *next;
      replies_.erase(next);
      return carry(cycle_->replied(reply, asked_in));
    }
    const auto group = std::size_t(below(groups_));
    if (plans_[group].empty()) return;
    StepResult result = executors_[group].execute(plans_[group].front());
    plans_[group].pop_front();
    result.times = {1e-3 * below(40), 1e-4 * below(10)};
    auto commit = cycle_->finished(std::move(result));
    for (const CommittedToken& token : commit.tokens) receive(token);
    carry(std::move(commit.work));
  }

  void receive(const CommittedToken& token) {
    const auto found = live_.find(token.sequence);
    CHECK(found != live_.end() && token.output_position == found->second.outputs.size());
    found->second.outputs.push_back(token.sampled.token);
    if (token.finish == FinishReason::none) return;
    CHECK(toy_output(found->second.submission, limits_.max_model_len).tokens == found->second.outputs);
    ++finished;
    live_.erase(found);
  }

  void happen() {
    switch (below(24)) {
      case 0:
      case 1:
      case 2:
        return submit();
      case 3:
        if (!homeless_.empty()) resubmit();
        return;
      case 4:
        if (below(3) == 0) with_any([&](SequenceId id) { cancel(id); });
        return;
      case 5:
        return with_any([&](SequenceId id) { tick(), carry(cycle_->pause(id)); });
      case 6:
        return with_any([&](SequenceId id) { tick(), carry(cycle_->resume(id)); });
      case 7:
        return with_any([&](SequenceId id) { tick(), carry(cycle_->hold(id)); });
      case 8:
        return with_any([&](SequenceId id) { tick(), carry(cycle_->release(id)); });
      case 9:
        if (below(30) == 0) fault();
        return;
      case 10:
        if (below(60) == 0) die();
        return;
      case 11:
        if (below(20) == 0) change_policy();
        return;
      default:
        deliver();
    }
  }

  template <class Function>
  void with_any(Function function) {
    if (!live_.empty()) function(std::next(live_.begin(), below(std::int32_t(live_.size())))->first);
  }

  void submit() {
    Submission submission;
    submission.sequence = ++last_id_;
    submission.arrival = last_id_ / 2;
    submission.prompt_tokens = 1 + below(40);
    const std::int32_t family = below(3);
    for (std::int32_t i = 0; i < submission.prompt_tokens; ++i) submission.tokens.push_back(family + i % 5);
    submission.max_output_tokens = 1 + below(20);
    submission.sampling.seed = std::uint64_t(below(3));
    submission.stop_ids = {3, below(50)};
    submission.priority = below(3);
    submission.caller = std::uint64_t(below(3));
    submission.cache_salt = below(4) == 0 ? "apart" : "";
    if (below(3) > 0) submission.arrived = now_ - std::chrono::milliseconds(below(5));
    if (below(2) == 0) submission.slo = {below(500), below(50), below(3000)};
    if (below(3) == 0) submission.start_by = now_ + std::chrono::milliseconds(below(500));
    tick();
    auto work = cycle_->submit(submission, below(8) == 0);
    if (!work) return;
    ++submitted;
    live_[submission.sequence] = {submission, {}};
    carry(std::move(*work));
  }

  void resubmit() {
    const auto next = homeless_.begin() + below(std::int32_t(homeless_.size()));
    const Live& live = live_.at(*next);
    homeless_.erase(next);
    Submission again = live.submission;
    again.tokens.insert(again.tokens.end(), live.outputs.begin(), live.outputs.end());
    again.resubmitted = true;
    tick();
    auto work = cycle_->submit(again);
    CHECK(work.has_value(), "a replay was refused");
    carry(std::move(*work));
  }

  void cancel(SequenceId id) {
    std::erase(homeless_, id);
    live_.erase(id);
    tick();
    carry(cycle_->cancel(id));
  }

  void fault() {
    ++faults;
    // Somebody may have died, before or in a step; then a sequence may be quarantined for it.
    EpochEnd how{EpochEnd::Cause(below(4)), epoch_, 0};
    if (const auto& begun = plans_[std::size_t(below(groups_))]; !begun.empty())
      how.step = begun.front().step;
    std::vector<GroupId> lost;
    for (GroupId group = 0; group < GroupId(groups_); ++group)
      if (below(3) == 0)
        lost.push_back(group);
      else if (!plans_[group].empty())
        executors_[group].break_off(plans_[group].front());
    for (auto& each : plans_) each.clear();
    const auto stopped = cycle_->stop_epoch(++epoch_, lost, how);
    for (const SequenceId each : stopped.interrupted) homeless_.push_back(each);
    if (stopped.quarantined) {
      ++quarantined;
      std::erase(homeless_, *stopped.quarantined);
      live_.erase(*stopped.quarantined);
    }
    for (const GroupId group : lost) lose_storage(group);
    tick();
    carry(cycle_->begin_epoch(epoch_));
  }

  void die() {
    ++deaths;
    ++epoch_;
    for (auto& each : plans_) each.clear();
    replies_.clear();
    start_scheduler();
    for (GroupId group = 0; group < GroupId(groups_); ++group) lose_storage(group);
    homeless_.clear();
    for (const auto& [id, each] : live_) homeless_.push_back(id);
    carry(cycle_->begin_epoch(epoch_));
  }

  void lose_storage(GroupId group) {
    executors_[group].poison();
    pools_[group].reset(cycle_->scheduler().generation(group));
  }

  void change_policy() {
    const auto names = policy_names();
    policy_ = {names[std::size_t(below(std::int32_t(names.size())))]};
    tick();
    carry(cycle_->use_policy(policy_));
  }

  CycleListener& listener_;
  PolicyChoice policy_;
  std::mt19937 random_;
  std::int32_t groups_;
  Epoch epoch_ = 1;
  TimePoint now_ = TimePoint() + std::chrono::hours(9);
  SchedulerLimits limits_;
  std::vector<BlockPool> pools_;
  std::deque<ToyExecutor> executors_;
  std::optional<StepCycle> cycle_;
  std::vector<std::deque<StepPlan>> plans_;            // by group, to be executed
  std::vector<std::pair<Epoch, BlockReply>> replies_;  // on their way
  std::map<SequenceId, Live> live_;
  std::vector<SequenceId> homeless_;
  SequenceId last_id_ = 0;
  std::string bytes_;
};

}  // namespace troupe::runtime::lab
