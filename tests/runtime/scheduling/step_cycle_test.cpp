#include "runtime/scheduling/step_cycle.hpp"

#include <gtest/gtest.h>

#include "runtime/lab/soak/toy_executor.hpp"
#include "runtime/scheduling/block_pool.hpp"

namespace troupe::runtime {
namespace {

using Result = StepCycle::Result;

class StepCycleTest : public ::testing::Test {
 protected:
  static Submission submission_of(SequenceId id, std::int32_t outputs) {
    Submission submission;
    submission.sequence = submission.arrival = id;
    submission.tokens = {1, 2, TokenId(id)};
    submission.prompt_tokens = 3;
    submission.max_output_tokens = outputs;
    return submission;
  }
  // The first plan that the work leads to, with blocks from the pool; the others are kept in `behind`.
  std::optional<StepPlan> plan_of(StepCycle::Work work) {
    for (StepPlan& plan : work.plans) behind.push_back(std::move(plan));
    for (const BlockRequest& request : work.requests) carry(request);
    if (behind.empty()) return std::nullopt;
    StepPlan plan = std::move(behind.front());
    behind.pop_front();
    return plan;
  }
  void carry(const BlockRequest& request) {
    StepCycle::Work work = cycle.replied(pool.reserve(request), cycle.epoch());
    for (StepPlan& plan : work.plans) behind.push_back(std::move(plan));
    for (const BlockRequest& next : work.requests) carry(next);
  }
  StepCycle::Work submit(SequenceId id, std::int32_t outputs) {
    auto work = cycle.submit(submission_of(id, outputs));
    EXPECT_TRUE(work);
    return *work;
  }

  SchedulerLimits limits{
      .max_num_batched_tokens = 16, .max_num_seqs = 4, .max_model_len = 64, .block_size = 4};
  StepCycle cycle{limits, [] { return make_policy("fcfs"); }, 1, 1};
  BlockPool pool{32, 4, true, 1};
  lab::ToyExecutor executor{32, 4};
  std::deque<StepPlan> behind;
};

TEST_F(StepCycleTest, AsksNobodyBeforeAnEpochIsServed) {
  EXPECT_TRUE(submit(1, 2).requests.empty());
  EXPECT_TRUE(cycle.begin_epoch(7).requests.empty()) << "of another epoch";
  EXPECT_EQ(cycle.begin_epoch(1).requests.size(), 1u);
  EXPECT_TRUE(cycle.begin_epoch(1).requests.empty()) << "told twice";
}

TEST_F(StepCycleTest, RunsStepAfterStepUntilNobodyWantsAny) {
  submit(1, 3);
  auto plan = plan_of(cycle.begin_epoch(1));
  std::vector<TokenId> tokens;
  while (plan) {
    auto commit = cycle.finished(executor.execute(*plan));
    ASSERT_EQ(commit.result, Result::committed);
    for (const CommittedToken& token : commit.tokens) tokens.push_back(token.sampled.token);
    plan = plan_of(commit.work);
  }
  EXPECT_EQ(tokens, lab::toy_output(submission_of(1, 3), limits.max_model_len).tokens);
  EXPECT_EQ(pool.usage().used, 0) << "its blocks went back without another step";
}

TEST_F(StepCycleTest, TellsResultsApart) {
  submit(1, 3);
  const auto plan = plan_of(cycle.begin_epoch(1));
  ASSERT_TRUE(plan);
  StepResult result = executor.execute(*plan);
  StepResult nonsense = result;
  nonsense.outputs.front().sequence = 9;
  EXPECT_EQ(cycle.finished(nonsense).result, Result::nonsense);
  StepResult stale = result;
  stale.epoch = 0;
  EXPECT_EQ(cycle.finished(stale).result, Result::stale);
  EXPECT_EQ(cycle.finished(result).result, Result::committed);
  EXPECT_EQ(cycle.finished(result).result, Result::noted) << "it came twice";
}

TEST_F(StepCycleTest, SaysWhatAnEpochLeftBehind) {
  submit(1, 9);
  submit(2, 9);
  const auto plan = plan_of(cycle.begin_epoch(1));
  ASSERT_EQ(cycle.finished(executor.execute(*plan)).result, Result::committed);
  const std::vector<GroupId> lost{0};
  auto stopped = cycle.stop_epoch(2, lost);
  EXPECT_EQ(stopped.steps_committed, 1u);
  EXPECT_EQ(stopped.interrupted, (std::vector<SequenceId>{1, 2}));
  stopped = cycle.stop_epoch(3, {});
  EXPECT_EQ(stopped.steps_committed, 0u);
  EXPECT_TRUE(stopped.interrupted.empty());
}

TEST_F(StepCycleTest, PlansTheNextStepWhileOneIsInFlight) {
  submit(1, 9);
  const auto first = plan_of(cycle.begin_epoch(1));
  ASSERT_TRUE(first);
  ASSERT_EQ(behind.size(), 1u);
  EXPECT_EQ(behind.front().after, first->step);
  EXPECT_TRUE(behind.front().begin.empty()) << "the ranks know it, and its input, which they sample";
  EXPECT_TRUE(behind.front().extend.at(0).tokens.empty());
  EXPECT_TRUE(submit(2, 9).requests.empty()) << "two are in flight";
}

// All that was in flight has ended the one that the next step is asked for: who came meanwhile must not wait for ever.
TEST_F(StepCycleTest, AsksAgainWhenAStepCommittedBetween) {
  Submission submission = submission_of(1, 9);
  submission.stop_ids = {lab::toy_output(submission, limits.max_model_len).tokens[1]};
  const auto work = cycle.submit(submission);
  ASSERT_TRUE(work);
  const auto first = plan_of(cycle.begin_epoch(1));
  ASSERT_TRUE(first);
  const StepPlan second = behind.front();
  const auto asked = cycle.finished(executor.execute(*first)).work.requests;
  ASSERT_EQ(asked.size(), 1u);
  ASSERT_TRUE(submit(2, 1).requests.empty());
  EXPECT_EQ(cycle.finished(executor.execute(second)).tokens.at(0).finish, FinishReason::stop);
  const auto next = cycle.replied(pool.reserve(asked.front()), 1);
  EXPECT_TRUE(next.plans.empty()) << "what was granted is over";
  EXPECT_EQ(next.requests.size(), 1u);
}

// A reply that an epoch has overtaken is followed by another request, or those who wait would wait for ever.
TEST_F(StepCycleTest, AsksAgainWhenAnEpochCameBetween) {
  submit(1, 9);
  const auto asked = cycle.begin_epoch(1).requests;
  ASSERT_EQ(asked.size(), 1u);
  cycle.stop_epoch(2, {});
  EXPECT_TRUE(cycle.begin_epoch(2).requests.empty()) << "the reply is on its way";
  const auto work = cycle.replied(pool.reserve(asked.front()), 1);
  EXPECT_TRUE(work.plans.empty());
  EXPECT_EQ(work.requests.size(), 1u);
  EXPECT_TRUE(plan_of(work));
}

}  // namespace
}  // namespace troupe::runtime
