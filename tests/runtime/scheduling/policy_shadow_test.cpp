#include "runtime/scheduling/policy_shadow.hpp"

#include <gtest/gtest.h>

#include "runtime/lab/soak/toy_executor.hpp"
#include "runtime/scheduling/block_pool.hpp"
#include "runtime/scheduling/scheduler.hpp"

namespace troupe::runtime {
namespace {

SequenceView view_of(SequenceId id, std::int32_t pending, bool decoding = false) {
  return {.id = id, .pending = pending, .decoding = decoding, .running = decoding, .arrival = id};
}

struct PolicyShadowTest : testing::Test {
  // A long prompt, then one that decodes.
  const std::vector<SequenceView> sequences{view_of(1, 100), view_of(2, 1, true)};
  const SchedulerView view{.sequences = sequences, .most_tokens = 64, .most_running = 4};

  ShadowStats looked(const std::string& policy, std::vector<Share> chosen, std::int32_t budget = 16) {
    PolicyShadow shadow(make_policy(policy));
    shadow.look(view, budget, {std::move(chosen)});
    return shadow.stats();
  }
};

TEST_F(PolicyShadowTest, CountsSequencesThatWouldHaveGotOtherNumbersOfTokens) {
  const ShadowStats same = looked("fcfs", {{1, 16}, {2, 0}});
  EXPECT_EQ(same.steps, 1u);
  EXPECT_EQ(same.different_steps, 0u);
  const ShadowStats other = looked("decode_first", {{1, 16}, {2, 0}});
  EXPECT_EQ(other.different_steps, 1u);
  EXPECT_EQ(other.different_sequences, 2u) << "the first gets 15, the second one";
}

TEST_F(PolicyShadowTest, WhatTheSchedulerWouldNotTakeIsNoDifference) {
  const ShadowStats trimmed = looked("fcfs", {{1, 1000}, {1, 3}, {99, 5}, {2, 7}});
  EXPECT_EQ(trimmed.different_steps, 0u);
}

TEST_F(PolicyShadowTest, AStepOfNobodyIsNone) {
  PolicyShadow shadow(make_policy("fcfs"));
  shadow.look({.sequences = {}, .most_tokens = 64}, 16, {});
  EXPECT_EQ(shadow.stats().steps, 0u);
}

// What each step computes, of requests that crowd a small pool.
std::vector<std::string> schedule(const std::string& policy, const std::string& shadow, ShadowStats* stats) {
  const SchedulerLimits limits{
      .max_num_batched_tokens = 24, .max_num_seqs = 4, .max_model_len = 64, .block_size = 4};
  Scheduler scheduler(
      limits, [&] { return make_policy(policy); }, 1, 1);
  if (!shadow.empty()) scheduler.shadow_with([&] { return make_policy(shadow); });
  BlockPool pool(24, 4, true, 1);
  lab::ToyExecutor executor(24, 4);
  std::vector<std::string> steps;
  TimePoint now = TimePoint() + std::chrono::hours(1);
  for (SequenceId id = 1; id <= 30 || !scheduler.idle();) {
    scheduler.time_is(now += std::chrono::milliseconds(20));
    for (int i = 0; i < 2 && id <= 30; ++i, ++id) {
      Submission submission;
      submission.sequence = submission.arrival = id;
      submission.tokens.assign(std::size_t(3 + id * 7 % 40), TokenId(id % 3));
      submission.prompt_tokens = std::int32_t(submission.tokens.size());
      submission.max_output_tokens = std::int32_t(1 + id * 5 % 17);
      submission.priority = std::int32_t(id % 3);
      submission.caller = id % 4;
      EXPECT_TRUE(scheduler.submit(submission));
    }
    for (const BlockRequest& request : scheduler.propose())
      for (const StepPlan& plan : scheduler.dispose(pool.reserve(request))) {
        steps.push_back(packed(plan.extend));
        scheduler.commit(executor.execute(plan));
      }
  }
  *stats = scheduler.stats().shadow;
  return steps;
}

TEST(Shadow, NeverChangesWhatRuns) {
  for (const std::string& policy : policy_names())
    for (const std::string& shadow : policy_names()) {
      ShadowStats alone, beside;
      const auto expected = schedule(policy, "", &alone);
      EXPECT_EQ(schedule(policy, shadow, &beside), expected) << policy << " shadowed by " << shadow;
      EXPECT_EQ(alone.steps, 0u);
      EXPECT_GE(beside.steps, expected.size());
      EXPECT_EQ(beside.failures, 0u);
      if (policy == shadow) {
        EXPECT_EQ(beside.different_steps, 0u) << policy;
      }
      if (policy == "fcfs" && shadow == "vtc") {
        EXPECT_GT(beside.different_steps, 0u);
      }
    }
}

}  // namespace
}  // namespace troupe::runtime
