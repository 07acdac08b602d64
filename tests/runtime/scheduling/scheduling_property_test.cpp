// A scheduler and the block pools and workers of its groups, under random submissions, cancellations, pauses,
// faults and deaths of the scheduler itself. All that they say to each other is mail, which arrives at any
// time and in any order. Whatever happens, each sequence must get the tokens that it gets alone.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <random>
#include <set>
#include <variant>

#include "runtime/scheduling/block_pool.hpp"
#include "runtime/scheduling/scheduler.hpp"
#include "tests/runtime/execution/toy_executor.hpp"

namespace troupe::runtime {
namespace {

// Decisions, taken from a list so that RapidCheck can shrink it. When it is spent, all decisions are 0.
class Chance {
 public:
  explicit Chance(std::vector<std::uint32_t> source) : source_(std::move(source)) {}
  bool spent() const { return next_ == source_.size(); }
  std::int32_t below(std::int32_t end) {
    return spent() ? 0 : std::int32_t(source_[next_++] % std::uint32_t(end));
  }
  std::int32_t between(std::int32_t first, std::int32_t last) { return first + below(last - first + 1); }

 private:
  std::vector<std::uint32_t> source_;
  std::size_t next_ = 0;
};

// Proposes nonsense: unknown, repeated and forgotten sequences, negative and huge shares. Who preempts at
// random may never let anybody finish, so at the end it comes to its senses.
class Nonsense final : public BatchPolicy {
 public:
  explicit Nonsense(const Chance& chance) : chance_(chance) {}
  std::string_view name() const override { return "nonsense"; }
  void propose(const SchedulerView& view, std::int32_t token_budget, Proposal& out) override {
    if (chance_.spent()) return make_policy("fcfs")->propose(view, token_budget, out);
    for (std::size_t i = 0; i < 2 * view.sequences.size(); ++i) {
      const SequenceView& any = view.sequences[random_() % view.sequences.size()];
      out.shares.push_back({any.id + (random_() % 8 == 0 ? 1000000 : 0),
                            std::int32_t(random_() % 64) - 8 + (random_() % 4 == 0 ? token_budget : 0)});
    }
  }

 private:
  const Chance& chance_;
  std::mt19937 random_{7};
};

struct Tally {
  int steps = 0, drafts = 0, right_drafts = 0, overlapping = 0, past_the_end = 0, cancelled_in_flight = 0,
      deaths = 0, resubmitted_to_full_queue = 0;
  int faults_between = 0, faults_asked = 0, faults_in_flight = 0;
  int late_replies = 0, dropped_replies = 0, stale_results = 0;
  int preemptions = 0, replayed_tokens = 0, prefix_hits = 0, kept_through_fault = 0;
};

class World {
 public:
  World(Chance& chance, std::string_view policy, std::int32_t groups, Tally& tally)
      : chance_(chance), policy_(policy), groups_(groups), limits_(random_limits()), tally_(tally) {
    const std::int32_t longest = (limits_.max_model_len + limits_.block_size - 1) / limits_.block_size;
    for (GroupId group = 0; group < GroupId(groups); ++group) {
      const std::int32_t blocks = longest + chance.below(20);
      pools_.emplace_back(blocks, limits_.block_size, limits_.prefix_caching, epoch_);
      executors_.emplace_back(blocks, limits_.block_size, group, limits_.speculation.tokens);
    }
    start_scheduler();
  }

  // Until the chance is spent; then until every sequence has finished.
  void run() {
    while (!chance_.spent()) ASSERT_NO_FATAL_FAILURE(step());
    while (!homeless_.empty()) ASSERT_NO_FATAL_FAILURE(resubmit());
    for (auto& [id, live] : live_) resume(id);
    for (int steps = 0; !live_.empty(); ++steps) {
      ASSERT_LT(steps, 200000) << "sequences that never finish";
      ASSERT_NO_FATAL_FAILURE(step());
    }
    for (propose(); !mail_.empty(); propose()) step();  // the pools hear of the last releases
    EXPECT_TRUE(scheduler_->idle());
    EXPECT_EQ(scheduler_->stats().running + scheduler_->stats().waiting, 0);
    for (const BlockPool& pool : pools_) {
      EXPECT_EQ(pool.usage().used, 0) << "blocks leaked";
      pool.check();
      tally_.prefix_hits += int(pool.usage().prefix_hits);
    }
    count(scheduler_->stats());
  }

 private:
  struct Live {
    Submission submission;  // as at first
    std::vector<TokenId> outputs;
    std::vector<Digest> digests;  // of its tokens up to each position
    bool homeless = false;        // it is to be submitted again
    bool paused = false;
    std::optional<GroupId> group;  // as far as it was heard of
    std::int32_t computed = 0;     // in committed steps since it last held no blocks
    // What its ranks know of it: nothing unless begun. planned: tokens in the cache when all plans are executed.
    bool begun = false;
    std::int32_t planned = 0, samples_in_flight = 0,
                 drafts_in_flight = 0;  // planned: if all drafts are right
    std::vector<BlockId> blocks;
  };

  struct Flight {  // a step, from its plans to its last result
    std::vector<StepPlan> plans;
    std::set<GroupId> executed;
    std::map<GroupId, StepResult> results;
  };

  struct Work {
    GroupId group = 0;
    StepPlan plan;
  };
  struct Mail {
    Epoch begun = 0;  // the epoch of the step that it belongs to
    std::variant<BlockRequest, BlockReply, Work, StepResult> content;
  };

  SchedulerLimits random_limits() {
    SchedulerLimits limits;
    limits.max_num_batched_tokens = chance_.between(1, 40);
    limits.max_num_seqs = chance_.between(1, 12);
    limits.max_model_len = chance_.between(8, 48);
    limits.max_steps_in_flight = chance_.between(1, 2);
    limits.speculation = {DraftMethod::mtp, chance_.below(4), chance_.below(2) == 0};
    limits.max_waiting = chance_.between(1, 20);
    limits.block_size = chance_.between(1, 6);
    limits.prefix_caching = chance_.below(4) != 0;
    return limits;
  }

  void start_scheduler() {
    const auto policy = [this]() -> std::unique_ptr<BatchPolicy> {
      if (policy_ == "nonsense") return std::make_unique<Nonsense>(chance_);
      return make_policy(policy_);
    };
    scheduler_.emplace(limits_, policy, groups_, epoch_);
    last_step_ = 0;
  }

  void step() {
    ASSERT_NO_FATAL_FAILURE(happen());
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
  void happen() {
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
          live_.at(id).paused = !live_.at(id).homeless;
        });
      case 8:
      case 9:
        return with_any([&](SequenceId id) { resume(id); });
      case 10:
        if (chance_.below(4) == 0) fault();
        return;
      case 11:
        if (chance_.below(40) == 0) die();
    }
  }

  template <class Function>
  void with_any(Function function) {
    if (!live_.empty()) function(std::next(live_.begin(), chance_.below(std::int32_t(live_.size())))->first);
  }

  void submit() {
    Submission submission;
    submission.sequence = ++last_id_;
    submission.arrival = last_id_ / 2;  // some share their place
    submission.prompt_tokens = chance_.between(1, limits_.max_model_len - 1);
    const std::int32_t family = chance_.below(3);  // few beginnings, so that prefixes are shared
    for (std::int32_t i = 0; i < submission.prompt_tokens; ++i) submission.tokens.push_back(family + i % 5);
    if (chance_.below(2) == 0) submission.tokens.back() = chance_.below(50);
    submission.max_output_tokens = chance_.between(1, 12);
    submission.sampling.seed = std::uint64_t(chance_.below(3));
    submission.stop_ids = {3, chance_.below(50)};
    submission.priority = chance_.below(3);
    const bool full = scheduler_->stats().waiting >= limits_.max_waiting;
    const auto accepted = scheduler_->submit(submission);
    ASSERT_EQ(bool(accepted), !full);
    if (full) return;
    Live& live = live_[submission.sequence];
    live.submission = submission;
    for (TokenId token : submission.tokens)
      live.digests.push_back(toy_digest(live.digests.empty() ? 0 : live.digests.back(), token));
  }

  void resubmit() {
    const auto next = homeless_.begin() + chance_.below(std::int32_t(homeless_.size()));
    Live& live = live_.at(*next);
    homeless_.erase(next);
    live.homeless = false;
    Submission again = live.submission;
    again.tokens.insert(again.tokens.end(), live.outputs.begin(), live.outputs.end());
    again.resubmitted = true;
    tally_.resubmitted_to_full_queue += scheduler_->stats().waiting >= limits_.max_waiting;
    ASSERT_TRUE(scheduler_->submit(again)) << "a full queue refused a replay";
  }

  void cancel(SequenceId id) {
    scheduler_->cancel(id);
    std::erase(homeless_, id);
    live_.erase(id);
    tally_.cancelled_in_flight += !in_flight_.empty();
  }

  void resume(SequenceId id) {
    scheduler_->resume(id);
    live_.at(id).paused = false;
  }

  // Some groups lose their storage, or none does; the others' workers drop what they were at.
  void fault() {
    const bool asked = std::ranges::any_of(
        mail_, [&](const Mail& mail) { return mail.begun == epoch_ && mail.content.index() < 2; });
    ++(!in_flight_.empty() ? tally_.faults_in_flight : asked ? tally_.faults_asked : tally_.faults_between);
    std::vector<GroupId> lost;
    for (GroupId group = 0; group < GroupId(groups_); ++group) {
      if (chance_.below(3) == 0)
        lost.push_back(group);
      else
        break_off(group);
    }
    const auto forgotten = scheduler_->start_epoch(++epoch_, lost);
    void_steps();
    for (GroupId group : lost) lose_storage(group);
    check_forgotten(forgotten, lost);
    for (SequenceId id : forgotten) make_homeless(id);
  }

  // A worker leaves the step that it is at, or is told of next.
  void break_off(GroupId group) {
    const auto next = std::ranges::find_if(
        in_flight_, [&](const Flight& flight) { return !flight.executed.contains(group); });
    if (next != in_flight_.end()) executors_[group].break_off(next->plans[group]);
  }

  void void_steps() {
    in_flight_.clear();
    granted_.clear();
    for (auto& [id, live] : live_) {
      live.begun = false;
      live.samples_in_flight = live.drafts_in_flight = 0;
    }
  }

  void check_forgotten(const std::vector<SequenceId>& forgotten, const std::vector<GroupId>& lost) {
    const auto place = [&](SequenceId id) { return std::pair(live_.at(id).submission.arrival, id); };
    ASSERT_TRUE(std::ranges::is_sorted(forgotten, {}, place));
    for (const auto& [id, live] : live_) {
      if (!live.group) continue;
      const bool gone = std::ranges::count(lost, *live.group) > 0;
      ASSERT_EQ(std::ranges::count(forgotten, id), int(gone));
      tally_.kept_through_fault += !gone && live.computed > 0;
    }
  }

  // The scheduler, and with it what it knew of everybody's blocks.
  void die() {
    ++tally_.deaths;
    ++epoch_;
    void_steps();
    count(scheduler_->stats());
    start_scheduler();
    for (GroupId group = 0; group < GroupId(groups_); ++group) lose_storage(group);
    for (const auto& [id, live] : live_)
      if (!live.homeless) make_homeless(id);
  }

  void lose_storage(GroupId group) {
    executors_[group].poison();
    pools_[group].reset(scheduler_->generation(group));
  }

  void make_homeless(SequenceId id) {
    Live& live = live_.at(id);
    live.homeless = true;
    live.paused = false;
    live.group.reset();
    live.computed = 0;
    homeless_.push_back(id);
  }

  void count(const SchedulerStats& stats) {
    tally_.preemptions += int(stats.preemptions);
    tally_.replayed_tokens += int(stats.replayed_tokens);
  }

  void propose() {
    for (BlockRequest& request : scheduler_->propose()) {
      bool runnable = false;
      for (SequenceId id : request.preemption_order) {
        Live& live = live_.at(id);
        ASSERT_FALSE(live.homeless);
        ASSERT_EQ(live.group.value_or(request.group), request.group) << "a sequence changed its group";
        live.group = request.group;
        runnable |= !live.paused && live.samples_in_flight == 0;
      }
      if (policy_ != "nonsense" && runnable) {
        ASSERT_FALSE(request.wants.empty());
        ASSERT_EQ(request.wants.front().sequence, request.preemption_order.back());
      }
      for (SequenceId id : request.released) lose_blocks(id);
      mail_.push_back({epoch_, std::move(request)});
    }
  }

  void lose_blocks(SequenceId id) {
    if (const auto found = live_.find(id); found != live_.end()) found->second.computed = 0;
  }

  void arrive(const BlockRequest& request, Epoch begun) {
    BlockPool& pool = pools_[request.group];
    const BlockReply reply = pool.reserve(request);
    if (chance_.below(8) == 0) pool.check();
    mail_.push_back({begun, reply});
    for (const BlockGrant& grant : reply.grants)
      ASSERT_EQ(std::ranges::count(reply.preempted, grant.sequence), 0) << "granted and preempted";
    if (request.generation != scheduler_->generation(request.group)) {
      ASSERT_TRUE(reply.grants.empty() && reply.preempted.empty());
    } else if (policy_ != "nonsense" && !request.wants.empty()) {
      ASSERT_FALSE(reply.grants.empty());
      ASSERT_EQ(reply.grants.front().sequence, request.wants.front().sequence) << "the first has no progress";
    }
  }

  void arrive(const BlockReply& reply, Epoch begun) {
    const bool dropped = reply.generation != scheduler_->generation(reply.group), late = begun != epoch_;
    tally_.dropped_replies += dropped;
    tally_.late_replies += late && !dropped;
    if (!dropped)
      for (SequenceId id : reply.preempted) lose_blocks(id);
    if (!late)
      for (const BlockGrant& grant : reply.grants) granted_.insert(grant.sequence);
    auto plans = scheduler_->dispose(reply);
    if (plans.empty()) return;
    ASSERT_FALSE(late) << "a plan from the reply to a step that is void";
    ASSERT_NO_FATAL_FAILURE(check_plans(plans));
    ++tally_.steps;
    tally_.overlapping += !in_flight_.empty();
    granted_.clear();
    for (const StepPlan& plan : plans) mail_.push_back({epoch_, Work{plan.group, plan}});
    in_flight_.push_back({std::move(plans), {}, {}});
    ASSERT_LE(std::int32_t(in_flight_.size()), limits_.max_steps_in_flight);
  }

  void arrive(const Work& work, Epoch begun) {
    if (begun != epoch_) return;  // a worker has left the epoch
    flight_of(work.plan.step)->executed.insert(work.group);
    const StepResult result = executors_[work.group].execute(work.plan);
    mail_.push_back({begun, result});
    if (chance_.below(8) == 1)
      mail_.push_back({begun, executors_[work.group].execute(work.plan)});  // a plan that came twice
  }

  std::deque<Flight>::iterator flight_of(StepId step) {
    return std::ranges::find_if(in_flight_,
                                [&](const Flight& flight) { return flight.plans.front().step == step; });
  }

  void arrive(const StepResult& result, Epoch begun) {
    const auto flight = begun == epoch_ ? flight_of(result.step) : in_flight_.end();
    const bool awaited = flight != in_flight_.end() && flight->results.emplace(result.group, result).second;
    tally_.stale_results += !awaited;
    const auto committed = scheduler_->commit(result);
    if (!awaited || in_flight_.front().results.size() < pools_.size()) {
      ASSERT_TRUE(committed.empty());
      return;
    }
    for (; !in_flight_.empty() && in_flight_.front().results.size() == pools_.size(); in_flight_.pop_front())
      for (const StepPlan& plan : in_flight_.front().plans)
        count_parts(plan, in_flight_.front().results.at(plan.group));
    for (const CommittedToken& token : committed) ASSERT_NO_FATAL_FAILURE(receive(token));
  }

  void count_parts(const StepPlan& plan, const StepResult& result) {
    auto output = result.outputs.begin();
    for (const Extend& part : plan.extend) {
      const std::int32_t right = part.samples ? std::int32_t((output++)->sampled.size()) - 1 : 0;
      tally_.drafts += part.drafts;
      tally_.right_drafts += right;
      const auto found = live_.find(part.sequence);
      tally_.past_the_end += found == live_.end();
      if (found == live_.end()) continue;
      Live& live = found->second;
      live.computed += part.rows - part.drafts + right;
      live.planned -= part.drafts - right;
      live.samples_in_flight -= part.samples;
      live.drafts_in_flight -= part.drafts;
    }
  }

  void check_plans(const std::vector<StepPlan>& plans) {
    ASSERT_EQ(plans.size(), pools_.size());
    std::vector<std::int32_t> rows;
    for (GroupId group = 0; group < GroupId(groups_); ++group) {
      ASSERT_EQ(plans[group].group, group);
      ASSERT_NO_FATAL_FAILURE(check_part(plans[group]));
      ASSERT_LE(scheduler_->stats().groups.at(group).running, limits_.max_num_seqs);
      rows.push_back(0);
      for (const Extend& part : plans[group].extend) rows.back() += part.rows;
      ASSERT_LE(rows.back(), limits_.max_num_batched_tokens);
    }
    for (const StepPlan& plan : plans) {
      ASSERT_EQ(plan.epoch, epoch_);
      ASSERT_GT(plan.step, last_step_) << "a step id was used twice";
      ASSERT_EQ(plan.group_rows, rows);
    }
    last_step_ = plans.front().step;
  }

  void check_part(const StepPlan& plan) {
    for (SequenceId id : plan.forget)
      if (const auto found = live_.find(id); found != live_.end()) found->second.begun = false;
    for (const Begin& begin : plan.begin) {
      Live& live = live_.at(begin.sequence);
      ASSERT_FALSE(live.begun) << "told twice";
      live.begun = true;
      live.blocks = begin.blocks;
      live.planned = begin.computed;
      for (std::int32_t i = 0; i < begin.computed; ++i)
        ASSERT_EQ(executors_[plan.group].cell(begin.blocks, i), live.digests[std::size_t(i)])
            << "not in the cache";
    }
    std::map<BlockId, int> users;
    for (const Extend& part : plan.extend) {
      Live& live = live_.at(part.sequence);
      live.blocks.insert(live.blocks.end(), part.blocks.begin(), part.blocks.end());
      for (BlockId block : live.blocks) ++users[block];
    }
    for (const Extend& part : plan.extend) ASSERT_NO_FATAL_FAILURE(check_extend(part, plan.group, users));
  }

  void check_extend(const Extend& part, GroupId group, const std::map<BlockId, int>& users) {
    Live& live = live_.at(part.sequence);
    ASSERT_TRUE(live.begun) << "the ranks do not know it";
    ASSERT_EQ(live.group, group);
    ASSERT_TRUE(granted_.contains(part.sequence)) << "a late grant was planned";
    const std::int32_t known =
        std::int32_t(live.digests.size()) + live.samples_in_flight + live.drafts_in_flight;
    for (std::int32_t i = live.planned - live.drafts_in_flight; i < live.planned + part.rows; ++i)
      ASSERT_EQ(users.at(live.blocks.at(std::size_t(i / limits_.block_size))), 1)
          << "a shared block is written";
    live.planned += part.rows;
    ASSERT_LE(live.planned, limits_.max_model_len);
    ASSERT_LE(live.planned - part.drafts, known);
    ASSERT_EQ(part.samples, live.planned - part.drafts == known);
    ASSERT_TRUE(part.samples || part.drafts == 0);
    ASSERT_LE(part.drafts, limits_.speculation.tokens);
    live.samples_in_flight += part.samples;
    live.drafts_in_flight += part.drafts;
    ASSERT_LE(std::int32_t(live.outputs.size()) + live.samples_in_flight, live.submission.max_output_tokens);
    ASSERT_LE(std::int32_t(live.digests.size()) + live.samples_in_flight, limits_.max_model_len);
  }

  void receive(const CommittedToken& token) {
    Live& live = live_.at(token.sequence);
    ASSERT_FALSE(live.homeless);
    ASSERT_EQ(token.output_position, live.outputs.size());
    live.outputs.push_back(token.sampled.token);
    live.digests.push_back(toy_digest(live.digests.back(), token.sampled.token));
    if (token.finish == FinishReason::none) return;
    const ToyOutput alone = toy_output(live.submission, limits_.max_model_len);
    ASSERT_EQ(alone.tokens, live.outputs);
    ASSERT_EQ(alone.finish, token.finish);
    live_.erase(token.sequence);
  }

  Chance& chance_;
  std::string policy_;
  std::int32_t groups_;
  Epoch epoch_ = 1;
  SchedulerLimits limits_;
  std::vector<BlockPool> pools_;  // by group, as the executors
  std::deque<ToyExecutor> executors_;
  std::optional<Scheduler> scheduler_;
  std::vector<Mail> mail_;
  std::map<SequenceId, Live> live_;
  std::vector<SequenceId> homeless_;
  SequenceId last_id_ = 0;
  StepId last_step_ = 0;
  std::deque<Flight> in_flight_;  // the oldest first
  std::set<SequenceId> granted_;  // for the next plan
  Tally& tally_;
};

class EveryPolicy : public ::testing::TestWithParam<std::string> {};

TEST_P(EveryPolicy, GivesEachSequenceWhatItGetsAlone) {
  const bool held = rc::check([&] {
    Chance chance(*rc::gen::scale(40, rc::gen::arbitrary<std::vector<std::uint32_t>>()));
    Tally tally;
    World world(chance, GetParam(), 1 << chance.below(3), tally);
    world.run();
    RC_ASSERT(!::testing::Test::HasFailure());
  });
  EXPECT_TRUE(held);
}

TEST_P(EveryPolicy, KeepsItsPromisesForLong) {
  std::mt19937 random(11);
  for (std::int32_t groups : {1, 2, 4}) {
    Tally tally;
    for (int world_number = 0; world_number < 15; ++world_number) {
      std::vector<std::uint32_t> source(20000);
      for (std::uint32_t& each : source) each = random();
      Chance chance(std::move(source));
      World world(chance, GetParam(), groups, tally);
      ASSERT_NO_FATAL_FAILURE(world.run()) << groups << " groups, world " << world_number;
    }
    EXPECT_GT(tally.steps, 2000);
    EXPECT_GT(tally.drafts, 500);
    EXPECT_GT(tally.right_drafts, 200);
    EXPECT_LT(tally.right_drafts, tally.drafts);
    EXPECT_GT(tally.overlapping, 500);
    EXPECT_GT(tally.past_the_end, 100);
    EXPECT_GT(tally.cancelled_in_flight, 200);
    EXPECT_GT(tally.deaths, 20);
    EXPECT_GT(tally.resubmitted_to_full_queue, 20);
    EXPECT_GT(tally.faults_between, 10);
    EXPECT_GT(tally.faults_asked, 50);
    EXPECT_GT(tally.faults_in_flight, 50);
    EXPECT_GT(tally.late_replies, 20);
    EXPECT_GT(tally.dropped_replies, 20);
    EXPECT_GT(tally.stale_results, 500);
    EXPECT_GT(tally.kept_through_fault, 200);
    EXPECT_GT(tally.preemptions, 100);
    EXPECT_GT(tally.replayed_tokens, 500);
    EXPECT_GT(tally.prefix_hits, 5000);
  }
}

std::vector<std::string> policies_and_nonsense() {
  std::vector<std::string> names = policy_names();
  names.push_back("nonsense");
  return names;
}
INSTANTIATE_TEST_SUITE_P(All, EveryPolicy, ::testing::ValuesIn(policies_and_nonsense()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace troupe::runtime
