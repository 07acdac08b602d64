#include "runtime/scheduling/scheduler.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <deque>
#include <map>
#include <random>

#include "runtime/execution/engine.hpp"
#include "runtime/lab/soak/toy_executor.hpp"
#include "runtime/scheduling/block_pool.hpp"

namespace troupe::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

SchedulerLimits small_limits() {
  SchedulerLimits limits;
  limits.max_num_batched_tokens = 16;
  limits.max_num_seqs = 4;
  limits.max_model_len = 64;
  limits.max_steps_in_flight = 1;
  limits.max_waiting = 8;
  limits.block_size = 4;
  return limits;
}

Submission submission_of(SequenceId id, std::int32_t prompt, std::int32_t outputs, TokenId first = 0) {
  Submission submission;
  submission.sequence = submission.arrival = id;
  submission.prompt_tokens = prompt;
  submission.max_output_tokens = outputs;
  for (std::int32_t i = 0; i < prompt; ++i) submission.tokens.push_back(first + i);
  return submission;
}

// One step at a time, with all that is said in it in sight.
struct Steps {
  explicit Steps(const SchedulerLimits& limits = small_limits(), std::int32_t blocks = 64,
                 std::string_view policy = "fcfs")
      : scheduler(
            limits, [&] { return make_policy(policy); }, 1, 0),
        pool(blocks, limits.block_size, limits.prefix_caching),
        executor(blocks, limits.block_size) {}

  std::optional<StepPlan> plan() {
    auto requests = scheduler.propose();
    if (requests.empty()) return std::nullopt;
    request = std::move(requests.front());
    reply = pool.reserve(request);
    pool.check();
    auto plans = scheduler.dispose(reply);
    return plans.empty() ? std::nullopt : std::optional(std::move(plans.front()));
  }
  std::vector<CommittedToken> run() {
    const auto planned = plan();
    return planned ? scheduler.commit(executor.execute(*planned)) : std::vector<CommittedToken>{};
  }
  // Sequences and tokens of the next step, which is run.
  std::vector<std::pair<SequenceId, int>> shares() {
    std::vector<std::pair<SequenceId, int>> shares;
    const auto planned = plan();
    if (!planned) return shares;
    for (const Extend& part : planned->extend) shares.emplace_back(part.sequence, part.rows);
    scheduler.commit(executor.execute(*planned));
    return shares;
  }

  // The storage is lost.
  std::vector<SequenceId> start_epoch() {
    const GroupId lost = 0;
    auto forgotten = scheduler.start_epoch(++epoch, {&lost, 1});
    pool.reset(scheduler.generation(lost));
    return forgotten;
  }

  Epoch epoch = 0;
  Scheduler scheduler;
  BlockPool pool;
  lab::ToyExecutor executor;
  BlockRequest request;
  BlockReply reply;
};

using S = std::pair<SequenceId, int>;

TEST(Scheduler, ComputesAPromptInChunksAndThenDecodes) {
  Steps steps;
  ASSERT_TRUE(steps.scheduler.submit(submission_of(1, 36, 2)));
  EXPECT_THAT(steps.shares(), ElementsAre(S{1, 16}));
  EXPECT_THAT(steps.shares(), ElementsAre(S{1, 16}));
  EXPECT_THAT(steps.shares(), ElementsAre(S{1, 4}));
  const auto last = steps.run();
  ASSERT_EQ(last.size(), 1u);
  EXPECT_EQ(last[0].output_position, 1u);
  EXPECT_EQ(last[0].finish, FinishReason::length);
  EXPECT_EQ(steps.scheduler.stats().prompt_tokens_computed, 36u);
  EXPECT_EQ(steps.scheduler.stats().steps, 4u);
  EXPECT_TRUE(steps.scheduler.idle());
  EXPECT_FALSE(steps.plan());  // but the pool hears of the release
  EXPECT_THAT(steps.request.released, ElementsAre(1));
  EXPECT_EQ(steps.reply.usage.used, 0);
  EXPECT_THAT(steps.scheduler.propose(), IsEmpty());
}

// Goes by another policy, and keeps what that one saw last.
class Onlooker final : public BatchPolicy {
 public:
  explicit Onlooker(std::vector<SequenceView>& seen) : seen_(seen) {}
  std::string_view name() const override { return policy_->name(); }
  void propose(const SchedulerView& view, std::int32_t budget, Proposal& out) override {
    seen_.assign(view.sequences.begin(), view.sequences.end());
    policy_->propose(view, budget, out);
  }
  void left(const SequenceView& sequence, bool finished) override { policy_->left(sequence, finished); }

 private:
  std::vector<SequenceView>& seen_;
  std::unique_ptr<BatchPolicy> policy_ = make_policy("decode_first");
};

// A crowd whose members come, go, rest, lose their seats and are lost, as whoever watches from outside knows it.
class Crowd {
 public:
  explicit Crowd(bool prefix_caching) {
    limits_.prefix_caching = prefix_caching;
    limits_.max_waiting = 1000;
    scheduler_.emplace(
        limits_, [this] { return std::make_unique<Onlooker>(seen_); }, 1, 0);
  }
  void join() {
    const auto id = SequenceId(++last_);
    Member member{submission_of(id, 1 + draw(40), 1 + draw(20), TokenId(1000 * id))};
    ASSERT_TRUE(scheduler_->submit(member.submission));
    members_.emplace(id, std::move(member));
  }
  void disturb() {
    if (members_.empty()) return;
    const auto victim = std::next(members_.begin(), draw(std::int32_t(members_.size())));
    const auto id = victim->first;
    switch (draw(4)) {
      case 0:
        scheduler_->cancel(id);
        members_.erase(victim);
        return;
      case 1:
        scheduler_->pause(id);
        victim->second.rests = true;
        return;
      default:
        scheduler_->resume(id);
        victim->second.rests = false;
    }
  }
  void step() {
    const auto requests = scheduler_->propose();
    if (requests.empty()) return;
    expect_seen();
    for (const SequenceId id : requests.front().released) unseat(id);
    const auto reply = pool_.reserve(requests.front());
    for (const SequenceId id : reply.preempted) unseat(id);
    for (const StepPlan& plan : scheduler_->dispose(reply)) {
      for (const Begin& begun : plan.begin) members_.at(begun.sequence).computed = begun.computed;
      for (const Extend& part : plan.extend) {
        Member& member = members_.at(part.sequence);
        member.seated = true;
        member.computed += part.rows;
      }
      for (const CommittedToken& token : scheduler_->commit(executor_.execute(plan))) take(token);
    }
  }
  void lose_all() {
    const GroupId group = 0;
    (void)scheduler_->start_epoch(++epoch_, {&group, 1});
    pool_.reset(scheduler_->generation(group));
    for (auto& [id, member] : members_) {
      unseat(id);
      member.rests = false;
      member.submission.resubmitted = true;
      ASSERT_TRUE(scheduler_->submit(member.submission));
    }
  }
  std::int32_t draw(std::int32_t below) { return std::int32_t(random_() % std::uint32_t(below)); }

 private:
  struct Member {
    Submission submission;  // its tokens grow
    bool seated = false, rests = false;
    std::int32_t computed = 0;
  };

  void unseat(SequenceId id) {
    const auto found = members_.find(id);
    if (found == members_.end()) return;
    found->second.seated = false;
    found->second.computed = 0;
  }
  void take(const CommittedToken& token) {
    if (token.finish != FinishReason::none)
      members_.erase(token.sequence);
    else
      members_.at(token.sequence).submission.tokens.push_back(token.sampled.token);
  }
  void expect_seen() const {
    auto seen = seen_.begin();
    for (const auto& [id, member] : members_) {
      if (member.rests) continue;
      ASSERT_NE(seen, seen_.end()) << id;
      const auto length = std::int32_t(member.submission.tokens.size());
      EXPECT_EQ(seen->id, id);
      EXPECT_EQ(seen->running, member.seated) << id;
      EXPECT_EQ(seen->outputs, length - member.submission.prompt_tokens) << id;
      EXPECT_EQ(seen->computed + seen->pending, length) << id;
      if (member.seated || !limits_.prefix_caching) {
        EXPECT_EQ(seen->computed, member.computed) << id;
      }
      ++seen;
    }
    EXPECT_EQ(seen, seen_.end());
  }

  SchedulerLimits limits_ = small_limits();
  std::vector<SequenceView> seen_;
  std::optional<Scheduler> scheduler_;
  BlockPool pool_{24, limits_.block_size};
  lab::ToyExecutor executor_{24, limits_.block_size};
  std::map<SequenceId, Member> members_;
  SequenceId last_ = 0;
  Epoch epoch_ = 0;
  std::mt19937 random_{2026};
};

class ACrowd : public ::testing::TestWithParam<bool> {};

TEST_P(ACrowd, IsShownAsItIs) {
  Crowd crowd(GetParam());
  for (int i = 0; i < 300; ++i) crowd.join();
  for (int round = 1; round <= 1200 && !HasFailure(); ++round) {
    if (crowd.draw(3) == 0) crowd.join();
    for (int i = crowd.draw(3); i > 0; --i) crowd.disturb();
    if (round % 400 == 0) crowd.lose_all();
    crowd.step();
  }
}

INSTANTIATE_TEST_SUITE_P(PrefixCaching, ACrowd, ::testing::Bool());

TEST(Scheduler, CountsWhatWaitsThroughSeatsPreemptionsAndEnds) {
  auto limits = small_limits();
  limits.max_num_seqs = 1;
  limits.max_waiting_tokens = 20;
  limits.max_waiting_per_caller = 2;
  Steps steps(limits);
  const auto code = [&](Submission submission, std::uint64_t caller = 0) {
    submission.caller = caller;
    const auto done = steps.scheduler.submit(std::move(submission));
    return done ? std::string() : done.error().code;
  };
  EXPECT_EQ(code(submission_of(1, 10, 1)), "");
  EXPECT_FALSE(steps.scheduler.has_begun(1));
  EXPECT_EQ(code(submission_of(2, 11, 1)), "queue_full")
      << "the first one waits, too, until a step is planned";
  steps.run();  // and ended it
  EXPECT_EQ(code(submission_of(2, 10, 9)), "");
  steps.run();
  EXPECT_TRUE(steps.scheduler.has_begun(2));
  EXPECT_EQ(code(submission_of(3, 10, 1)), "") << "the second one runs";
  EXPECT_EQ(code(submission_of(4, 10, 1)), "");
  EXPECT_EQ(code(submission_of(5, 1, 1)), "queue_full");
  steps.scheduler.cancel(4);
  EXPECT_EQ(code(submission_of(5, 1, 1)), "");
  EXPECT_EQ(code(submission_of(6, 1, 1)), "too_many_waiting");
  EXPECT_EQ(code(submission_of(6, 1, 1), 7), "");
  auto again = submission_of(8, 30, 1);
  again.resubmitted = true;
  EXPECT_EQ(code(again), "") << "it was accepted before";
  steps.start_epoch();
  EXPECT_EQ(code(submission_of(9, 20, 1)), "") << "all are forgotten";
}

TEST(Scheduler, RefusesADeadlineThatItsQueueCannotMeet) {
  using std::chrono::seconds;
  auto limits = small_limits();
  limits.max_num_seqs = 1;
  Steps steps(limits);
  TimePoint now = TimePoint{} + seconds(100);
  const auto submit = [&](SequenceId id, seconds patience) {
    auto submission = submission_of(id, 10, 1);
    submission.start_by = now + patience;
    return steps.scheduler.submit(std::move(submission));
  };
  for (SequenceId id = 1; id <= 6; ++id) ASSERT_TRUE(submit(id, seconds(1))) << "nothing was measured yet";
  for (int i = 0; i < 3; ++i) {
    steps.scheduler.time_is(now += seconds(1));
    steps.run();  // one begins and ends
  }
  EXPECT_EQ(steps.scheduler.retry_after(), 3);
  EXPECT_EQ(std::chrono::round<seconds>(steps.scheduler.stats().newcomers_wait.value()), seconds(4))
      << "its token comes a step later";
  const auto refused = submit(7, seconds(2));  // behind three
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "deadline_unreachable");
  EXPECT_EQ(refused.error().retry_after, 3);
  EXPECT_TRUE(submit(7, seconds(5)));
}

// Steps take a second, one sequence runs, and the second one waits behind it for ever.
TEST(Scheduler, WhoWaitsIsLateAsSoonAsItCanHaveNoTokenInTime) {
  using std::chrono::milliseconds;
  using std::chrono::seconds;
  auto limits = small_limits();
  limits.max_num_seqs = 1;
  Steps steps(limits);
  TimePoint now = TimePoint{} + seconds(100);
  const auto submit = [&](SequenceId id, milliseconds patience, bool again = false) {
    auto submission = submission_of(id, 4, 30);
    submission.start_by = now + patience;
    submission.resubmitted = again;
    ASSERT_TRUE(steps.scheduler.submit(std::move(submission)));
  };
  steps.scheduler.time_is(now);
  submit(1, seconds(2));
  submit(2, milliseconds(4500));
  submit(3, milliseconds(4500), true);
  submit(4, seconds(60));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(steps.scheduler.late(), std::vector<SequenceId>{}) << i;
    steps.run();
    steps.scheduler.time_is(now += seconds(1));
  }
  steps.scheduler.time_is(now += milliseconds(501));
  EXPECT_EQ(steps.scheduler.late(), std::vector<SequenceId>{2}) << "the third one was let in before a fault";
  steps.scheduler.cancel(2);
  EXPECT_EQ(steps.scheduler.late(), std::vector<SequenceId>{});
}

// Of six that wait and are less urgent, none is ahead where priority says so; where it does not, all are.
TEST(Scheduler, WhoIsAheadIsForThePolicyToSay) {
  using std::chrono::seconds;
  for (const auto& [policy, reachable] : {std::pair("fcfs", false), {"sjf", false}, {"priority", true}}) {
    auto limits = small_limits();
    limits.max_num_seqs = 1;
    Steps steps(limits, 64, policy);
    TimePoint now = TimePoint{} + seconds(100);
    for (SequenceId id = 1; id <= 8; ++id) {
      auto patient = submission_of(id, 10, 1);
      patient.priority = 1;
      ASSERT_TRUE(steps.scheduler.submit(std::move(patient)));
    }
    for (int i = 0; i < 3; ++i) {
      steps.scheduler.time_is(now += seconds(1));
      steps.run();
    }
    auto urgent = submission_of(9, 10, 1);
    urgent.start_by = now + seconds(2);
    EXPECT_EQ(bool(steps.scheduler.submit(std::move(urgent))), reachable) << policy;
  }
}

TEST(Scheduler, RefusesWhatCannotBeServed) {
  Steps steps;
  const auto refusal = [&](Submission submission) {
    return steps.scheduler.submit(std::move(submission)).error();
  };
  EXPECT_EQ(refusal(submission_of(1, 0, 1)).message, "the prompt must hold at least one token");
  EXPECT_EQ(refusal(submission_of(1, 4, 0)).param, "max_tokens");
  EXPECT_TRUE(steps.scheduler.submit(submission_of(1, 63, 9)));
  EXPECT_EQ(refusal(submission_of(2, 64, 1)).code, "context_length_exceeded");
  EXPECT_EQ(refusal(submission_of(2, 64, 1)).message,
            "the context length is 64 tokens, one of which is for output; the prompt has 64");
}

Submission again(Submission submission) {
  submission.resubmitted = true;
  return submission;
}

TEST(Scheduler, RefusesWhenTheQueueIsFullButNeverAReplay) {
  Steps steps;
  for (SequenceId id = 1; id <= 4; ++id) ASSERT_TRUE(steps.scheduler.submit(submission_of(id, 4, 9)));
  steps.run();
  for (SequenceId id = 5; id <= 12; ++id) ASSERT_TRUE(steps.scheduler.submit(submission_of(id, 4, 9)));
  EXPECT_EQ(steps.scheduler.submit(submission_of(13, 4, 9)).error().kind, RefusalKind::unavailable);
  EXPECT_EQ(steps.scheduler.stats().running, 4);
  EXPECT_EQ(steps.scheduler.stats().waiting, 8);
  EXPECT_EQ(steps.start_epoch().size(), 12u);
  for (SequenceId id = 1; id <= 12; ++id) EXPECT_TRUE(steps.scheduler.submit(again(submission_of(id, 4, 9))));
  EXPECT_FALSE(steps.scheduler.submit(submission_of(14, 4, 9)));
}

// On a machine that takes 2 ms for a step and 1 ms for each of its rows.
TEST(Scheduler, BoundsAStepInTimeWhileAStreamWaits) {
  using namespace std::chrono_literals;
  SchedulerLimits limits = small_limits();
  limits.max_num_batched_tokens = 2048;
  limits.max_model_len = 4096;
  for (const auto limit : {0ms, 100ms}) {
    limits.max_step_time = limit;
    Steps steps(limits, 2048, "decode_first");
    ASSERT_TRUE(steps.scheduler.submit(submission_of(1, 4, 400)));
    std::chrono::duration<double, std::milli> longest{0}, first_of_short{0}, now{0};
    for (int step = 0; step < 200; ++step) {
      if (step == 20) {
        EXPECT_TRUE(steps.scheduler.submit(submission_of(2, 3800, 2, 1000)));
      }
      if (step == 22) {
        EXPECT_TRUE(steps.scheduler.submit(submission_of(3, 20, 2, 9000)));
      }
      const auto plan = steps.plan();
      ASSERT_TRUE(plan);
      ASSERT_EQ(plan->extend.at(0).sequence, 1u) << "the stream goes on in every step";
      StepResult result = steps.executor.execute(*plan);
      const std::chrono::duration<double, std::milli> takes(2 + plan->group_rows[0]);
      result.times.compute_seconds = takes.count() / 1000;
      if (step == 22) now = {};
      now += takes;
      longest = std::max(longest, takes);
      for (const CommittedToken& token : steps.scheduler.commit(result))
        if (token.sequence == 3 && token.output_position == 0) first_of_short = now;
    }
    EXPECT_EQ(steps.scheduler.stats().prompt_tokens_computed, 4u + 3800u + 20u);
    if (limit == 0ms) {
      EXPECT_GT(longest, 1800ms);
    } else {  // before anything longer than a row is known, the guess may be wrong by as much as the step's constant
      EXPECT_LT(longest, limit * 1.1);
      EXPECT_LT(first_of_short, limit * 1.1) << "it does not wait for the long prompt's end";
    }
  }
}

TEST(SchedulerDeathTest, ASequenceIsSubmittedOnce) {
  Steps steps;
  ASSERT_TRUE(steps.scheduler.submit(submission_of(1, 4, 9)));
  EXPECT_DEATH((void)steps.scheduler.submit(submission_of(1, 4, 9)), "submitted twice");
}

TEST(Scheduler, StopsAtStopIdsAndAtTheContextLength) {
  Steps steps;
  Submission stopping = submission_of(1, 4, 9);
  stopping.stop_ids = {lab::toy_output(stopping, 64).tokens.at(2)};
  ASSERT_TRUE(steps.scheduler.submit(stopping));
  ASSERT_TRUE(steps.scheduler.submit(submission_of(2, 61, 9)));
  std::vector<CommittedToken> finished;
  while (!steps.scheduler.idle())
    for (const CommittedToken& token : steps.run())
      if (token.finish != FinishReason::none) finished.push_back(token);
  ASSERT_EQ(finished.size(), 2u);
  EXPECT_EQ(finished[0].finish, FinishReason::stop);
  EXPECT_EQ(finished[0].output_position, lab::toy_output(stopping, 64).tokens.size() - 1);
  EXPECT_EQ(finished[1].finish, FinishReason::length);
  EXPECT_EQ(finished[1].output_position, 2u);  // 61 + 3 = 64
}

class SchedulerWithoutAToken : public ::testing::TestWithParam<TokenId> {};

TEST_P(SchedulerWithoutAToken, EndsTheSequenceAndHarmsNoOther) {
  Steps steps;
  ASSERT_TRUE(steps.scheduler.submit(submission_of(1, 4, 9)));
  ASSERT_TRUE(steps.scheduler.submit(submission_of(2, 4, 9)));
  steps.run();
  const auto plan = steps.plan();
  StepResult result = steps.executor.execute(*plan);
  result.outputs.front().sampled.front().token = GetParam();
  const auto committed = steps.scheduler.commit(result);
  ASSERT_EQ(committed.size(), 2u);
  EXPECT_EQ(committed[0].finish, FinishReason::error);
  EXPECT_EQ(committed[1].finish, FinishReason::none);
  EXPECT_THAT(steps.shares(), ElementsAre(S(2, 1)));
  while (!steps.scheduler.idle()) steps.run();
  steps.run();  // gives back what the last one held
  EXPECT_EQ(steps.pool.usage().used, 0);
}

INSTANTIATE_TEST_SUITE_P(Of, SchedulerWithoutAToken, ::testing::Values(no_token, no_mask));

TEST(Scheduler, RunsNoMoreThanMaxNumSeqsAndKeepsTheBudget) {
  Steps steps;
  for (SequenceId id = 1; id <= 6; ++id) ASSERT_TRUE(steps.scheduler.submit(submission_of(id, 2, 3)));
  EXPECT_THAT(steps.shares(), ElementsAre(S{1, 2}, S{2, 2}, S{3, 2}, S{4, 2}));
  EXPECT_EQ(steps.scheduler.stats().last_step_sequences, 4);
  EXPECT_EQ(steps.scheduler.stats().last_step_tokens, 8);
  EXPECT_THAT(steps.shares(), ElementsAre(S{1, 1}, S{2, 1}, S{3, 1}, S{4, 1}));
  EXPECT_THAT(steps.shares(), ElementsAre(S{1, 1}, S{2, 1}, S{3, 1}, S{4, 1}));
  EXPECT_THAT(steps.shares(), ElementsAre(S{5, 2}, S{6, 2}));
}

// As if all drafts but the last `wrong` were right, with so much forced behind them.
StepResult answer(const StepPlan& plan, std::int32_t forced, std::int32_t wrong = 0) {
  StepResult result{plan.epoch, plan.step, plan.group, {}, {}};
  for (const Extend& part : plan.extend)
    if (part.samples)
      result.outputs.push_back({part.sequence,
                                std::vector<SampledToken>(std::size_t(1 + part.drafts - wrong), {1, 0, {}}),
                                forced});
  return result;
}

TEST(Scheduler, ComputesWhatAGrammarForcesInOneStep) {
  Steps steps;
  ASSERT_TRUE(steps.scheduler.submit(submission_of(1, 3, 30)));
  const auto drafts_behind = [&](std::int32_t forced, std::int32_t wrong = 0) {
    const auto planned = steps.plan();
    EXPECT_TRUE(steps.scheduler.fits(answer(*planned, forced, wrong)));
    steps.scheduler.commit(answer(*planned, forced, wrong));
    const auto next = steps.plan();
    EXPECT_EQ(next->extend[0].rows, 1 + next->extend[0].drafts);
    steps.scheduler.commit(answer(*next, 0));
    return next->extend[0].drafts;
  };
  EXPECT_EQ(drafts_behind(5), 5);
  EXPECT_EQ(drafts_behind(0), 0);
  EXPECT_EQ(drafts_behind(most_forced_tokens), 15) << "max_num_batched_tokens are 16";
  EXPECT_EQ(steps.scheduler.stats().forced_tokens, 20u);
  EXPECT_EQ(steps.scheduler.stats().accepted_forced_tokens, 20u);
  EXPECT_EQ(steps.scheduler.stats().drafts, 0u) << "they are no guesses";
  EXPECT_EQ(drafts_behind(5), 2) << "of 30 tokens 27 are there, and a step yields one itself";
}

TEST(Scheduler, StepsInFlightComputeTheirPartOfWhatIsForced) {
  SchedulerLimits limits = small_limits();
  limits.max_steps_in_flight = 2;
  Steps steps(limits);
  ASSERT_TRUE(steps.scheduler.submit(submission_of(1, 3, 30)));
  const auto first = steps.plan(), second = steps.plan();
  EXPECT_EQ(second->extend[0].drafts, 0);
  steps.scheduler.commit(answer(*first, 5));
  const auto third = steps.plan();
  EXPECT_EQ(third->extend[0].drafts, 4);
  steps.scheduler.commit(answer(*second, 4));
  const auto fourth = steps.plan();
  EXPECT_EQ(fourth->extend[0].drafts, 0);
  steps.scheduler.commit(
      answer(*third, 7, /*wrong=*/2));  // it went on in other words, and has come to more of them
  EXPECT_EQ(steps.plan()->extend[0].drafts, 6);
  EXPECT_EQ(steps.scheduler.stats().accepted_forced_tokens, 2u);
}

// A model that has learnt other words for the same text costs few rows.
TEST(Scheduler, WhatIsForcedIsTriedLessWhereItIsWrong) {
  Steps steps;
  ASSERT_TRUE(steps.scheduler.submit(submission_of(1, 3, 60)));
  steps.scheduler.commit(answer(*steps.plan(), 8));
  std::vector<int> drafts;
  for (int step = 0; step < 6; ++step) {
    const auto planned = steps.plan();
    drafts.push_back(planned->extend[0].drafts);
    steps.scheduler.commit(answer(*planned, 8, /*wrong=*/planned->extend[0].drafts));
  }
  EXPECT_THAT(drafts, ElementsAre(8, 8, 6, 4, 3, 2));
  for (int step = 0; step < 5; ++step) steps.scheduler.commit(answer(*steps.plan(), 8));
  EXPECT_GT(steps.plan()->extend[0].drafts, 5);
}

TEST(Scheduler, NobodyLosesBlocksToWhatIsForced) {
  SchedulerLimits limits = small_limits();
  Steps steps(limits, 4);  // blocks of 4 tokens
  ASSERT_TRUE(steps.scheduler.submit(submission_of(1, 3, 12)));
  steps.scheduler.commit(answer(*steps.plan(), 8));
  EXPECT_EQ(steps.plan()->extend[0].drafts, 4) << "of three free blocks two are kept back";
}

TEST(Scheduler, AResultThatForcesMoreThanRanksLookForDoesNotFit) {
  Steps steps;
  ASSERT_TRUE(steps.scheduler.submit(submission_of(1, 3, 30)));
  const auto planned = steps.plan();
  EXPECT_TRUE(steps.scheduler.fits(answer(*planned, most_forced_tokens)));
  EXPECT_FALSE(steps.scheduler.fits(answer(*planned, most_forced_tokens + 1)));
  EXPECT_FALSE(steps.scheduler.fits(answer(*planned, -1)));
}

// What was right among forced tokens says nothing of the guesses behind them.
TEST(Scheduler, ForcedTokensAndGuessesAreCountedApart) {
  SchedulerLimits limits = small_limits();
  limits.speculation = {DraftMethod::ngram, 3};
  Steps steps(limits);
  ASSERT_TRUE(steps.scheduler.submit(submission_of(1, 3, 30)));
  steps.scheduler.commit(answer(*steps.plan(), 2));
  const auto planned = steps.plan();
  EXPECT_EQ(planned->extend[0].drafts, 3);
  steps.scheduler.commit(answer(*planned, 0));
  SchedulerStats stats = steps.scheduler.stats();
  EXPECT_EQ(stats.accepted_forced_tokens, 2u);
  EXPECT_EQ(stats.draft_tokens, 1u);
  EXPECT_THAT(stats.accepted_at, ElementsAre(1, 0, 0));
  steps.scheduler.commit(answer(*steps.plan(), 2));
  steps.scheduler.commit(answer(*steps.plan(), 0, /*wrong=*/2));
  stats = steps.scheduler.stats();
  EXPECT_EQ(stats.accepted_forced_tokens, 3u);
  EXPECT_EQ(stats.draft_tokens, 4u) << "behind a forced token that was wrong nothing was tried";
}

// A row takes as long as a tenth of what a step takes anyway, and the layer half as long as the model.
TEST(Scheduler, TheLayerReadsPromptsIfItWillBeOfUseBehindThem) {
  SchedulerLimits limits = small_limits();
  limits.max_num_batched_tokens = 256;
  limits.max_num_seqs = limits.max_waiting = 64;
  limits.speculation = {DraftMethod::mtp, 1, /*adapts=*/true};
  Steps steps(limits, 1024);
  const auto run = [&] {
    const auto plan = steps.plan();
    EXPECT_TRUE(plan);
    StepResult result = answer(*plan, 0);
    result.times = {0.010 + 0.001 * plan->group_rows[0], 0.0005 * plan->group_rows[0]};
    steps.scheduler.commit(result);
    return plan->predictions;
  };
  SequenceId id = 0;
  const auto prompts = [&](int count) {
    for (int i = 0; i < count; ++i) EXPECT_TRUE(steps.scheduler.submit(submission_of(++id, 3, 8)));
  };
  for (const int count : {1, 5, 20, 3, 40, 2}) {  // what steps take is learned
    prompts(count);
    while (!steps.scheduler.idle()) run();
  }
  prompts(1);
  EXPECT_EQ(run(), 1);
  while (!steps.scheduler.idle()) run();
  prompts(60);
  EXPECT_EQ(run(), 0) << "sixty rows are more than a step takes anyway";
}

TEST(Scheduler, APausedSequenceKeepsNobodyFromRunning) {
  Steps steps;
  for (SequenceId id = 1; id <= 5; ++id) ASSERT_TRUE(steps.scheduler.submit(submission_of(id, 2, 9)));
  steps.run();
  steps.scheduler.pause(2);
  steps.scheduler.pause(3);
  EXPECT_THAT(steps.shares(), ElementsAre(S{1, 1}, S{4, 1}, S{5, 2}));  // 3 lost its seat to 5
  EXPECT_THAT(steps.request.released, ElementsAre(3));
  EXPECT_EQ(steps.scheduler.stats().preemptions, 1u);
  steps.scheduler.resume(2);
  EXPECT_THAT(steps.shares(), ElementsAre(S{1, 1}, S{2, 1}, S{4, 1}, S{5, 1}));
  for (SequenceId id : {1, 2, 4, 5}) steps.scheduler.pause(id);
  steps.scheduler.pause(3);  // as it is already
  EXPECT_TRUE(steps.scheduler.idle());
  steps.scheduler.resume(3);
  EXPECT_FALSE(steps.scheduler.idle());
  EXPECT_THAT(steps.shares(), ElementsAre(S{3, 3}));
}

TEST(Scheduler, AHeldSequenceWaitsThoughItIsNotPaused) {
  Steps steps;
  const auto deferred = [&] { return steps.scheduler.stats().deferred; };
  ASSERT_TRUE(steps.scheduler.submit(submission_of(1, 2, 9), true));
  ASSERT_TRUE(steps.scheduler.submit(submission_of(2, 2, 9)));
  EXPECT_EQ(deferred(), 1);
  EXPECT_THAT(steps.shares(), ElementsAre(S{2, 2}));
  steps.scheduler.pause(1);
  steps.scheduler.release(1);
  EXPECT_EQ(deferred(), 1);
  EXPECT_THAT(steps.shares(), ElementsAre(S{2, 1}));
  steps.scheduler.resume(1);
  EXPECT_EQ(deferred(), 0);
  EXPECT_THAT(steps.shares(), ElementsAre(S{1, 2}, S{2, 1}));
  steps.scheduler.hold(1);
  steps.scheduler.hold(2);
  EXPECT_EQ(deferred(), 0) << "they hold blocks";
  EXPECT_TRUE(steps.scheduler.idle());
  steps.scheduler.cancel(2);
  steps.scheduler.release(1);
  EXPECT_FALSE(steps.scheduler.idle());
}

TEST(Scheduler, PromptsWhoseLogprobsAreWantedComeInSmallParts) {
  SchedulerLimits limits = small_limits();
  limits.max_num_batched_tokens = limits.max_model_len = 200;
  Steps steps(limits);
  Submission wants = submission_of(1, 100, 2);
  wants.sampling.prompt_logprobs = 0;
  ASSERT_TRUE(steps.scheduler.submit(wants));
  ASSERT_TRUE(steps.scheduler.submit(submission_of(2, 100, 2)));
  EXPECT_THAT(steps.shares(), ElementsAre(S{1, most_prompt_logprob_rows}, S{2, 100}));
}

TEST(Scheduler, APausedSequenceIsTheFirstToLoseItsBlocks) {
  Steps steps(small_limits(), 16);
  for (SequenceId id = 1; id <= 3; ++id)
    ASSERT_TRUE(steps.scheduler.submit(submission_of(id, 16, 9, TokenId(100 * id))));
  for (int i = 0; i < 3; ++i) steps.run();  // with the decodes five, five and four blocks
  steps.scheduler.pause(1);
  EXPECT_EQ(steps.scheduler.stats().deferred, 0) << "it holds blocks";
  ASSERT_TRUE(steps.scheduler.submit(submission_of(4, 16, 9, 400)));
  steps.run();
  while (steps.reply.preempted.empty() && !steps.scheduler.idle()) steps.run();
  EXPECT_THAT(steps.reply.preempted, ElementsAre(1));
  EXPECT_EQ(steps.scheduler.stats().deferred, 1) << "it waits now, and not for capacity";
}

TEST(Scheduler, ATokenTellsWhenItsSequenceGotBlocks) {
  using std::chrono::seconds;
  Steps steps;
  for (SequenceId id = 1; id <= 5; ++id) ASSERT_TRUE(steps.scheduler.submit(submission_of(id, 2, 2)));
  std::map<SequenceId, TimePoint> seated;
  for (int second = 1; !steps.scheduler.idle(); ++second) {
    steps.scheduler.time_is(TimePoint{} + seconds(second));
    for (const CommittedToken& token : steps.run()) {
      const auto known = seated.emplace(token.sequence, token.seated).first;
      EXPECT_EQ(known->second, token.seated) << "it has them once";
    }
  }
  ASSERT_EQ(seated.size(), 5u);
  for (SequenceId id = 1; id <= 4; ++id) EXPECT_EQ(seated[id], TimePoint{} + seconds(1));
  EXPECT_EQ(seated[5], TimePoint{} + seconds(3)) << "four have seats";
}

TEST(Scheduler, ACancelledSequenceIsForgottenAtOnceAndItsBlocksFollowTheStep) {
  Steps steps;
  ASSERT_TRUE(steps.scheduler.submit(submission_of(1, 4, 9)));
  ASSERT_TRUE(steps.scheduler.submit(submission_of(2, 4, 9)));
  const auto plan = steps.plan();
  ASSERT_TRUE(plan);
  steps.scheduler.cancel(1);
  steps.scheduler.cancel(77);
  EXPECT_THAT(steps.scheduler.propose(), IsEmpty()) << "a second step was planned while one is in flight";
  const auto committed = steps.scheduler.commit(steps.executor.execute(*plan));
  ASSERT_EQ(committed.size(), 1u);
  EXPECT_EQ(committed[0].sequence, 2u);
  EXPECT_THAT(steps.shares(), ElementsAre(S{2, 1}));
  EXPECT_THAT(steps.request.released, ElementsAre(1));
  EXPECT_EQ(steps.pool.usage().used, 2);
}

TEST(Scheduler, ASequenceThatIsCancelledWhileThePoolDecidesGivesItsGrantBack) {
  Steps steps;
  ASSERT_TRUE(steps.scheduler.submit(submission_of(1, 4, 9)));
  const auto requests = steps.scheduler.propose();
  ASSERT_EQ(requests.size(), 1u);
  steps.scheduler.cancel(1);
  EXPECT_THAT(steps.scheduler.dispose(steps.pool.reserve(requests[0])), IsEmpty());
  EXPECT_EQ(steps.pool.usage().used, 1);
  EXPECT_FALSE(steps.plan());
  EXPECT_EQ(steps.pool.usage().used, 0);
}

TEST(Scheduler, PreemptsByRecomputeAndKeepsThePlaceInTheQueue) {
  SchedulerLimits limits = small_limits();
  limits.prefix_caching = false;
  Steps steps(limits, 16);
  const Submission first = submission_of(1, 20, 20), second = submission_of(2, 20, 20);
  ASSERT_TRUE(steps.scheduler.submit(first));
  ASSERT_TRUE(steps.scheduler.submit(second));
  std::map<SequenceId, std::vector<TokenId>> outputs;
  while (!steps.scheduler.idle())
    for (const CommittedToken& token : steps.run()) outputs[token.sequence].push_back(token.sampled.token);
  EXPECT_EQ(outputs[1], lab::toy_output(first, 64).tokens);
  EXPECT_EQ(outputs[2], lab::toy_output(second, 64).tokens);
  EXPECT_GT(steps.scheduler.stats().preemptions, 0u);
  EXPECT_GT(steps.scheduler.stats().replayed_tokens, 0u);
  EXPECT_GT(steps.scheduler.stats().prompt_tokens_computed, 40u);
}

TEST(Scheduler, SharesABlockOnlyOnceTheStepThatFilledItHasCommitted) {
  Steps steps;
  ASSERT_TRUE(steps.scheduler.submit(submission_of(1, 9, 9)));
  const auto plan = steps.plan();
  EXPECT_THAT(steps.request.filled, IsEmpty());
  ASSERT_TRUE(steps.scheduler.submit(submission_of(2, 9, 9)));
  steps.scheduler.commit(steps.executor.execute(*plan));
  EXPECT_THAT(steps.shares(), ElementsAre(S{1, 1}, S{2, 1}));  // eight of nine tokens were cached
  EXPECT_EQ(steps.request.filled.size(), 2u);
  EXPECT_EQ(steps.reply.usage.prefix_hits, 8u);
}

class EveryPolicysBudget : public ::testing::TestWithParam<std::string> {};

TEST_P(EveryPolicysBudget, IsForWhatIsNotCached) {
  SchedulerLimits limits = small_limits();
  limits.max_num_batched_tokens = 14;
  Steps steps(limits, 64, GetParam());
  ASSERT_TRUE(steps.scheduler.submit(submission_of(1, 13, 1)));
  EXPECT_THAT(steps.shares(), ElementsAre(S{1, 13}));
  for (SequenceId id = 2; id <= 4; ++id) ASSERT_TRUE(steps.scheduler.submit(submission_of(id, 13, 9)));
  EXPECT_THAT(steps.shares(), UnorderedElementsAre(S{2, 1}, S{3, 1}, S{4, 1}));
}

// What the cache seems to hold it may have lost: then the budget holds all the same, and the rest comes in later steps.
TEST_P(EveryPolicysBudget, HoldsThoughTheCacheHasForgotten) {
  SchedulerLimits limits = small_limits();
  limits.max_num_batched_tokens = 14;
  Steps steps(limits, 64, GetParam());
  ASSERT_TRUE(steps.scheduler.submit(submission_of(1, 13, 1)));
  steps.run();
  for (SequenceId id = 2; id <= 4; ++id) ASSERT_TRUE(steps.scheduler.submit(submission_of(id, 13, 1)));
  auto requests = steps.scheduler.propose();
  ASSERT_EQ(requests.size(), 1u);
  for (BlockWant& want : requests[0].wants) want.prefix.clear();  // as if nothing of it were there
  const auto plans = steps.scheduler.dispose(steps.pool.reserve(requests[0]));
  ASSERT_EQ(plans.size(), 1u);
  EXPECT_EQ(plans[0].group_rows[0], 3);
  steps.scheduler.commit(steps.executor.execute(plans[0]));
  std::int32_t finished = 0;
  while (!steps.scheduler.idle()) {
    finished += std::int32_t(steps.run().size());
    EXPECT_LE(steps.scheduler.stats().last_step_tokens, limits.max_num_batched_tokens);
  }
  EXPECT_EQ(finished, 3);
}
INSTANTIATE_TEST_SUITE_P(All, EveryPolicysBudget, ::testing::ValuesIn(policy_names()),
                         [](const auto& info) { return info.param; });

TEST(Scheduler, APromptWhoseLogprobsAreWantedIsComputedThoughItIsCached) {
  Steps steps;
  ASSERT_TRUE(steps.scheduler.submit(submission_of(1, 13, 1)));
  steps.run();
  Submission wants = submission_of(2, 13, 1);
  wants.sampling.prompt_logprobs = 0;
  ASSERT_TRUE(steps.scheduler.submit(wants));
  EXPECT_THAT(steps.shares(), ElementsAre(S{2, 13}));
}

TEST(Scheduler, APromptsLogprobsComeThoughItLosesItsSeatBeforeItsFirstToken) {
  SchedulerLimits limits = small_limits();
  limits.max_num_seqs = 1;
  limits.max_steps_in_flight = 2;
  Steps steps(limits, 64, "priority");
  Submission wants = submission_of(1, 20, 3);
  wants.sampling.prompt_logprobs = 0;
  wants.priority = 1;
  ASSERT_TRUE(steps.scheduler.submit(wants));
  EXPECT_THAT(steps.shares(), ElementsAre(S{1, 16}));
  const auto last = steps.plan();
  ASSERT_TRUE(last && last->extend.at(0).samples);
  ASSERT_TRUE(steps.scheduler.submit(submission_of(2, 4, 1)));
  const auto urgent = steps.plan();
  ASSERT_TRUE(urgent);
  EXPECT_EQ(steps.scheduler.stats().preemptions, 1u);
  const auto committed = steps.scheduler.commit(steps.executor.execute(*last));
  ASSERT_EQ(committed.size(), 1u);
  ASSERT_EQ(committed[0].prompt_logprobs.size(), 19u);
  for (std::size_t i = 0; i < 19; ++i) EXPECT_EQ(committed[0].prompt_logprobs[i].token, wants.tokens[i + 1]);
}

TEST(Scheduler, SaltsSeparateCaches) {
  Steps steps;
  Submission salted = submission_of(2, 9, 9);
  salted.cache_salt = "other";
  ASSERT_TRUE(steps.scheduler.submit(submission_of(1, 9, 9)));
  steps.run();
  ASSERT_TRUE(steps.scheduler.submit(salted));
  EXPECT_THAT(steps.shares(), ElementsAre(S{1, 1}, S{2, 9}));
}

TEST(Scheduler, UrgentSequencesTakeSeatsAndBlocksFromTheOthers) {
  SchedulerLimits limits = small_limits();
  limits.max_num_seqs = 2;
  Steps steps(limits, 16, "priority");
  for (SequenceId id = 1; id <= 3; ++id) {
    Submission submission = submission_of(id, 2, 9);
    submission.priority = id == 3 ? 0 : 1;
    if (id == 3) steps.run();
    ASSERT_TRUE(steps.scheduler.submit(submission));
  }
  EXPECT_THAT(steps.shares(), ElementsAre(S{3, 2}, S{1, 1}));
  EXPECT_EQ(steps.scheduler.stats().preemptions, 1u);
}

TEST(Scheduler, ANewEpochVoidsTheStepInFlightAndReturnsEverySequence) {
  Steps steps;
  Submission first = submission_of(1, 8, 6);
  const lab::ToyOutput alone = lab::toy_output(first, 64);
  ASSERT_TRUE(steps.scheduler.submit(first));
  ASSERT_TRUE(steps.scheduler.submit(submission_of(2, 4, 6)));
  first.tokens.push_back(steps.run().at(0).sampled.token);
  const auto plan = steps.plan();
  ASSERT_TRUE(plan);
  EXPECT_THAT(steps.start_epoch(), ElementsAre(1, 2));
  EXPECT_THAT(steps.scheduler.commit(steps.executor.execute(*plan)), IsEmpty());
  EXPECT_TRUE(steps.scheduler.idle());
  ASSERT_TRUE(steps.scheduler.submit(again(first)));
  EXPECT_THAT(steps.scheduler.dispose(steps.reply), IsEmpty()) << "a reply of the old generation was taken";
  const auto replayed = steps.run();
  ASSERT_EQ(replayed.size(), 1u);
  EXPECT_EQ(replayed[0].output_position, 1u);
  EXPECT_EQ(replayed[0].sampled.token, alone.tokens[1]);
  EXPECT_EQ(steps.scheduler.stats().replayed_tokens, 1u);
}

// Several groups, and a say in when each of them answers.
struct Replica {
  explicit Replica(std::int32_t groups, const SchedulerLimits& limits = small_limits())
      : scheduler(
            limits, [] { return make_policy("fcfs"); }, groups, 0) {
    for (GroupId group = 0; group < GroupId(groups); ++group) {
      pools.emplace_back(64, limits.block_size, limits.prefix_caching);
      executors.emplace_back(64, limits.block_size, group);
    }
  }

  void submit(const Submission& submission) { ASSERT_TRUE(scheduler.submit(submission)); }
  std::vector<BlockReply> ask() {
    std::vector<BlockReply> replies;
    for (const BlockRequest& request : scheduler.propose())
      replies.push_back(pools.at(request.group).reserve(request));
    return replies;
  }
  std::vector<StepPlan> plan() {
    std::vector<StepPlan> planned;
    for (const BlockReply& reply : ask()) planned = scheduler.dispose(reply);
    return planned;
  }
  // Who is in which group's part of the next step, which is run.
  std::vector<std::vector<SequenceId>> run() {
    std::vector<std::vector<SequenceId>> parts;
    const auto planned = plan();
    for (const StepPlan& plan : planned) {
      auto& part = parts.emplace_back();
      for (const Extend& each : plan.extend) part.push_back(each.sequence);
    }
    commit(planned);
    return parts;
  }
  void commit(const std::vector<StepPlan>& planned) {
    for (const StepPlan& plan : planned)
      for (const CommittedToken& token : scheduler.commit(executors[plan.group].execute(plan)))
        outputs[token.sequence].push_back(token.sampled.token);
  }
  std::vector<SequenceId> start_epoch(std::vector<GroupId> lost) {
    auto forgotten = scheduler.start_epoch(++epoch, lost);
    for (GroupId group : lost) {
      pools[group].reset(scheduler.generation(group));
      executors[group].poison();
    }
    return forgotten;
  }

  Epoch epoch = 0;
  Scheduler scheduler;
  std::vector<BlockPool> pools;
  std::deque<lab::ToyExecutor> executors;
  std::map<SequenceId, std::vector<TokenId>> outputs;
};

TEST(SchedulerGroups, GiveASequenceToTheGroupWithTheFewestTokens) {
  Replica replica(2);
  for (SequenceId id = 1; id <= 5; ++id)
    replica.submit(submission_of(id, id == 1 ? 10 : 4, 9, TokenId(100 * id)));
  EXPECT_THAT(replica.run(), ElementsAre(ElementsAre(1, 5), ElementsAre(2, 3, 4)));
  const SchedulerStats stats = replica.scheduler.stats();
  EXPECT_EQ(stats.running, 5);
  ASSERT_EQ(stats.groups.size(), 2u);
  EXPECT_EQ(stats.groups[1].running, 3);
  EXPECT_EQ(stats.groups[1].last_step_tokens, 12);
  EXPECT_EQ(stats.last_step_tokens, 26);
}

TEST(SchedulerGroups, GiveASequenceToTheGroupThatKnowsItsPrefix) {
  Replica replica(3);
  replica.submit(submission_of(1, 9, 9, 100));
  replica.submit(submission_of(2, 13, 9, 200));
  replica.run();
  replica.submit(submission_of(3, 13, 9, 200));
  replica.submit(submission_of(4, 13, 9, 100));
  replica.submit(submission_of(5, 13, 9, 300));
  EXPECT_THAT(replica.run(), ElementsAre(ElementsAre(1, 4), ElementsAre(2, 3), ElementsAre(5)));
  EXPECT_EQ(replica.pools[0].usage().prefix_hits, 8u);
  replica.start_epoch({1});
  replica.submit(submission_of(6, 30, 9, 200));  // nobody knows it any more
  replica.submit(submission_of(7, 30, 9, 200));
  EXPECT_THAT(replica.run(), ElementsAre(ElementsAre(1, 4), ElementsAre(6), ElementsAre(5, 7)));
}

TEST(SchedulerGroups, HaveOneQueueLimitAndSeatsAndTokensEach) {
  Replica replica(2);
  for (SequenceId id = 1; id <= 8; ++id) replica.submit(submission_of(id, 4, 9, TokenId(100 * id)));
  EXPECT_FALSE(replica.scheduler.submit(submission_of(9, 4, 9)));
  EXPECT_TRUE(replica.scheduler.submit(again(submission_of(10, 4, 9))));
  EXPECT_THAT(replica.run(), ElementsAre(ElementsAre(1, 3, 5, 7), ElementsAre(2, 4, 6, 8)));
}

TEST(SchedulerGroups, AnswerInAnyOrderAndAllHaveAPart) {
  Replica replica(3);
  replica.submit(submission_of(1, 4, 2, 100));
  replica.submit(submission_of(2, 4, 2, 200));
  const auto replies = replica.ask();
  ASSERT_EQ(replies.size(), 2u);
  EXPECT_THAT(replica.scheduler.dispose(replies[1]), IsEmpty());
  EXPECT_THAT(replica.scheduler.dispose(replies[1]), IsEmpty());
  const auto plans = replica.scheduler.dispose(replies[0]);
  ASSERT_EQ(plans.size(), 3u);
  for (GroupId group = 0; group < 3; ++group) {
    EXPECT_EQ(plans[group].group, group);
    EXPECT_THAT(plans[group].group_rows, ElementsAre(4, 4, 0));
  }
  EXPECT_THAT(plans[2].extend, IsEmpty());
  const auto result = [&](GroupId group) { return replica.executors[group].execute(plans[group]); };
  EXPECT_THAT(replica.scheduler.commit(result(2)), IsEmpty());
  EXPECT_THAT(replica.scheduler.commit(result(1)), IsEmpty());
  EXPECT_THAT(replica.scheduler.commit(result(1)), IsEmpty());
  EXPECT_THAT(replica.scheduler.propose(), IsEmpty()) << "a step was asked for while one is in flight";
  const auto committed = replica.scheduler.commit(result(0));
  ASSERT_EQ(committed.size(), 2u);
  EXPECT_EQ(committed[0].sequence, 1u);
  EXPECT_EQ(committed[1].sequence, 2u);
  EXPECT_THAT(replica.scheduler.commit(result(0)), IsEmpty());
}

TEST(SchedulerGroups, ASequenceThatIsCancelledBeforeTheLastReplyIsNotInThePlan) {
  Replica replica(2);
  replica.submit(submission_of(1, 4, 2, 100));
  replica.submit(submission_of(2, 4, 2, 200));
  const auto replies = replica.ask();
  EXPECT_THAT(replica.scheduler.dispose(replies.at(0)), IsEmpty());
  replica.scheduler.cancel(1);
  const auto plans = replica.scheduler.dispose(replies.at(1));
  ASSERT_FALSE(plans.empty());
  EXPECT_THAT(plans[0].extend, IsEmpty());
  replica.commit(plans);
  replica.run();
  EXPECT_EQ(replica.pools[0].usage().used, 0);
}

// Sequence 1 in group 0, which survives; 2 and 3 in group 1, which does not.
struct Fault : ::testing::Test {
  Fault() {
    for (const Submission& each : submissions) replica.submit(each);
    replica.run();
    replica.run();
  }
  void finish() {
    EXPECT_THAT(replica.start_epoch({1}), ElementsAre(2, 3));
    for (SequenceId id : {2, 3}) {
      Submission back = again(submissions[id - 1]);
      const auto& outputs = replica.outputs[id];
      back.tokens.insert(back.tokens.end(), outputs.begin(), outputs.end());
      replica.submit(back);
    }
    for (const BlockReply& reply : late) EXPECT_THAT(replica.scheduler.dispose(reply), IsEmpty());
    for (const StepResult& result : stale) EXPECT_THAT(replica.scheduler.commit(result), IsEmpty());
    while (!replica.scheduler.idle()) replica.run();
    for (const Submission& each : submissions)
      EXPECT_EQ(replica.outputs[each.sequence], lab::toy_output(each, 64).tokens);
    replica.run();
    for (const BlockPool& pool : replica.pools) EXPECT_EQ(pool.usage().used, 0);
    // Nothing of the survivor was computed twice: of the others, prompts and two outputs each.
    EXPECT_EQ(replica.scheduler.stats().groups[0].prompt_tokens_computed, 20u);
    EXPECT_EQ(replica.scheduler.stats().groups[0].replayed_tokens, 0u);
    EXPECT_EQ(replica.scheduler.stats().groups[1].replayed_tokens, 4u);
  }

  const std::vector<Submission> submissions{submission_of(1, 20, 6, 100), submission_of(2, 4, 6, 200),
                                            submission_of(3, 4, 6, 300)};
  Replica replica{2};
  std::vector<BlockReply> late;
  std::vector<StepResult> stale;
};

TEST_F(Fault, BetweenSteps) {
  finish();
}

TEST_F(Fault, WhileNobodyHasBeenGrantedAnything) {
  late = replica.ask();
  ASSERT_EQ(late.size(), 2u);
  finish();
}

TEST_F(Fault, WhileOnlyTheSurvivorKnowsItsGrants) {
  late = replica.ask();
  EXPECT_THAT(replica.scheduler.dispose(late[0]), IsEmpty());
  late.erase(late.begin());
  finish();
}

TEST_F(Fault, WhileOnlyTheLostGroupKnowsItsGrants) {
  late = replica.ask();
  EXPECT_THAT(replica.scheduler.dispose(late[1]), IsEmpty());
  late.pop_back();
  finish();
}

TEST_F(Fault, WhileAStepIsInFlight) {
  const auto plans = replica.plan();
  ASSERT_FALSE(plans.empty());
  for (const StepPlan& plan : plans) stale.push_back(replica.executors[plan.group].execute(plan));
  finish();
}

TEST_F(Fault, WhileTheLastResultIsAwaited) {
  const auto plans = replica.plan();
  ASSERT_FALSE(plans.empty());
  EXPECT_THAT(replica.scheduler.commit(replica.executors[0].execute(plans[0])), IsEmpty());
  stale.push_back(replica.executors[1].execute(plans[1]));
  finish();
}

TEST(SchedulerGroups, AGroupWhoseReplyIsLateProposesNothingUntilItHasCome) {
  Replica replica(2);
  replica.submit(submission_of(1, 9, 2, 100));
  replica.submit(submission_of(2, 9, 2, 200));
  const auto late = replica.ask();
  EXPECT_THAT(replica.start_epoch({}), IsEmpty());
  EXPECT_THAT(replica.scheduler.propose(), IsEmpty());
  EXPECT_THAT(replica.scheduler.dispose(late[1]), IsEmpty());
  const auto replies = replica.ask();
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_EQ(replica.scheduler.stats().running, 1);
  EXPECT_THAT(replica.scheduler.dispose(late[0]), IsEmpty());
  EXPECT_EQ(replica.scheduler.stats().running, 2);
  const auto plans = replica.scheduler.dispose(replies[0]);
  ASSERT_FALSE(plans.empty());
  EXPECT_THAT(plans[0].extend, IsEmpty());
  replica.commit(plans);
  EXPECT_THAT(replica.run(), ElementsAre(ElementsAre(1), ElementsAre(2)));
}

TEST(SchedulerGroups, ALateReplyIsNoResult) {
  Replica replica(2);
  replica.submit(submission_of(1, 9, 2, 100));
  replica.submit(submission_of(2, 9, 2, 200));
  const auto late = replica.ask();
  replica.start_epoch({});
  EXPECT_THAT(replica.scheduler.dispose(late[1]), IsEmpty());
  const auto plans = replica.plan();
  ASSERT_FALSE(plans.empty());
  EXPECT_THAT(replica.scheduler.dispose(late[0]), IsEmpty());
  EXPECT_THAT(replica.scheduler.commit(replica.executors[1].execute(plans[1])), IsEmpty());
  EXPECT_EQ(replica.scheduler.commit(replica.executors[0].execute(plans[0])).size(), 1u);
}

TEST(SchedulerGroups, GenerationsAreTheEpochsOfTheirCaches) {
  Scheduler scheduler(
      small_limits(), [] { return make_policy("fcfs"); }, 2, 7);
  scheduler.start_epoch(9, {});
  scheduler.start_epoch(12, std::vector<GroupId>{1});
  EXPECT_EQ(scheduler.generation(0), 7u);
  EXPECT_EQ(scheduler.generation(1), 12u);
}

TEST(Engine, SchedulesRunsAndCommits) {
  lab::ToyExecutor executor(32, 4);
  Engine engine(small_limits(), make_policy("decode_first"), 32, executor);
  std::map<SequenceId, std::vector<TokenId>> outputs;
  for (SequenceId id = 1; id <= 6; ++id) ASSERT_TRUE(engine.submit(submission_of(id, 20, 8, TokenId(id))));
  while (!engine.idle())
    for (const CommittedToken& token : engine.step()) outputs[token.sequence].push_back(token.sampled.token);
  for (SequenceId id = 1; id <= 6; ++id)
    EXPECT_EQ(outputs[id], lab::toy_output(submission_of(id, 20, 8, TokenId(id)), 64).tokens);
  engine.step();
  EXPECT_EQ(engine.usage().used, 0);
}

}  // namespace
}  // namespace troupe::runtime
