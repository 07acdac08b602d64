#include "runtime/execution/sequence_table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace troupe::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr std::int32_t block_size = 4, blocks = 8;

// Step `step` of epoch 1; each follows the one before it.
StepPlan plan_of(StepId step) {
  return {.epoch = 1, .step = step, .after = step - 1, .group_rows = {0}};
}

StepResult result_of(const StepPlan& plan, TokenId token) {
  StepResult result{plan.epoch, plan.step, plan.group, {}, {}};
  for (const Extend& part : plan.extend)
    if (part.samples) result.outputs.push_back({part.sequence, {{token, 0, {}}}});
  return result;
}

class SequenceTableTest : public ::testing::Test {
 protected:
  // Sequence 1 begins with three of five prompt tokens.
  StepPlan first() const {
    StepPlan plan = plan_of(1);
    plan.begin = {{1, {10, 11, 12}, 5, 0, {}, {}, {6}}};
    plan.extend = {{1, {}, {}, 3, 0, false}};
    return plan;
  }
  const StepResult& run(const StepPlan& plan, TokenId sampled = 20) {
    return table.advance(table.take(plan), result_of(plan, sampled));
  }

  SequenceTable table{block_size, blocks};
};

TEST_F(SequenceTableTest, KnowsWhatItWasToldAndWhatItSampled) {
  run(first());
  StepPlan second = plan_of(2);
  second.extend = {{1, {13, 14}, {2}, 2, 0, true}};
  auto parts = table.take(second);
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_THAT(parts[0].inputs, ElementsAre(13, 14));
  EXPECT_THAT(parts[0].entry->blocks, ElementsAre(6, 2));
  EXPECT_EQ(parts[0].entry->computed, 3);
  EXPECT_EQ(parts[0].output_position(), 0u);
  table.advance(parts, result_of(second, 20));
  StepPlan third = plan_of(3);
  third.extend = {{1, {}, {}, 1, 0, true}};
  parts = table.take(third);
  EXPECT_THAT(parts[0].inputs, ElementsAre(20));
  EXPECT_EQ(parts[0].output_position(), 1u);
}

TEST_F(SequenceTableTest, ForgetsAndBeginsAgainWithinOneStep) {
  run(first());
  StepPlan again = plan_of(2);
  again.forget = {1, 7};
  again.begin = {{1, {10, 11, 12, 13, 14}, 5, 4, {}, {}, {0, 1}}};
  again.extend = {{1, {}, {}, 1, 0, true}};
  EXPECT_THAT(table.take(again)[0].inputs, ElementsAre(14));
  EXPECT_EQ(table.size(), 1u);
}

TEST_F(SequenceTableTest, KeepsTheResultsOfAsManyStepsAsMayBeInFlight) {
  EXPECT_EQ(table.kept(first()), nullptr);
  StepPlan plans[]{first(), plan_of(2), plan_of(3)};
  for (const StepPlan& plan : plans) run(plan);
  EXPECT_EQ(table.kept(plans[0]), nullptr);
  EXPECT_EQ(table.kept(plans[1])->step, 2u);
  EXPECT_EQ(table.kept(plans[2])->step, 3u);
  plans[2].epoch = 2;
  EXPECT_EQ(table.kept(plans[2]), nullptr);
}

TEST_F(SequenceTableTest, TheFirstStepOfAnEpochBeginsWithNothing) {
  run(first());
  StepPlan next{.epoch = 2, .step = 8, .after = 0, .group_rows = {0}};
  run(next);
  EXPECT_EQ(table.size(), 0u);
}

TEST_F(SequenceTableTest, ASequenceWithoutATokenHasAnInputAllTheSame) {
  StepPlan whole = first();
  whole.begin[0].prompt_tokens = 3;
  whole.extend[0].samples = true;
  run(whole, no_token);
  StepPlan next = plan_of(2);
  next.extend = {{1, {}, {}, 1, 0, true}};
  EXPECT_THAT(table.take(next)[0].inputs, ElementsAre(0));
}

TEST_F(SequenceTableTest, KeepsWhatFollowsFromRightDrafts) {
  StepPlan whole = first();
  whole.begin[0].prompt_tokens = 3;
  whole.extend[0].samples = true;
  run(whole, 20);
  StepPlan next = plan_of(2);
  next.extend = {{1, {}, {2}, 4, 3, true}};
  auto parts = table.take(next);
  EXPECT_THAT(parts[0].inputs, ElementsAre(20, 20, 20, 20))
      << "where there are no guesses, any token will do";
  EXPECT_EQ(parts[0].samples_at(), 0);
  parts[0].inputs = {20, 21, 22, 23};
  StepResult result{1, 2, 0, {{1, {{21, 0, {}}, {22, 0, {}}, {9, 0, {}}, {24, 0, {}}}}}, {}};
  EXPECT_EQ(table.advance(parts, result).outputs[0].sampled.size(), 3u) << "two were right, and one follows";
  StepPlan third = plan_of(3);
  third.extend = {{1, {}, {}, 1, 0, true}};
  parts = table.take(third);
  EXPECT_THAT(parts[0].inputs, ElementsAre(9));
  EXPECT_EQ(parts[0].entry->computed, 6);
  EXPECT_EQ(parts[0].output_position(), 4u);
}

TEST_F(SequenceTableTest, RefusesWhatDoesNotFollow) {
  const auto refusal = [&](const StepPlan& plan, const std::string& what) {
    SequenceTable fresh{block_size, blocks};
    fresh.advance(fresh.take(first()), result_of(first(), 20));
    EXPECT_THAT([&] { fresh.take(plan); }, ThrowsMessage<PlanError>(HasSubstr(what)));
  };
  refusal(plan_of(3), "step 3 follows step 2, and this rank was told of step 1");
  StepPlan plan = plan_of(2);
  const auto with = [&](Extend extend) {
    plan.extend = {std::move(extend)};
    return plan;
  };
  refusal(with({9, {}, {}, 1, 0, false}), "sequence 9: an unknown sequence");
  refusal(with({1, {}, {}, 1, 0, false}), "rows without tokens");
  refusal(with({1, {13}, {}, 0, 0, false}), "rows without tokens");
  refusal(with({1, {13, 14}, {}, 1, 0, true}), "a sample before the last token");
  refusal(with({1, {13}, {}, 1, 0, true}), "a sample before the last token");
  refusal(with({1, {13, 14}, {}, 2, 0, true}), "rows past its blocks");
  refusal(with({1, {13}, {}, 2, 1, false}), "a sample before the last token");
  refusal(with({1, {13}, {}, 1, 1, false}), "rows without tokens");
  refusal(with({1, {13}, {}, 2, -1, false}), "rows without tokens");
  refusal(with({1, {13}, {8}, 1, 0, false}), "a block that the cache does not have");
  refusal(with({1, {13}, {-1}, 1, 0, false}), "a block that the cache does not have");
  plan.extend.clear();
  plan.begin = {{2, {1}, 1, 0, {}, {}, {8}}};
  refusal(plan, "a block that the cache does not have");
}

}  // namespace
}  // namespace troupe::runtime
