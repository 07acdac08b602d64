#include "runtime/scheduling/draft_length.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace troupe::runtime {
namespace {

// A machine that takes `constant` for a step, `row` for each of its rows, and `run` for each of the prediction layer.
StepCosts machine(double constant, double row, double run = 0) {
  StepCosts costs;
  for (int i = 0; i < 400; ++i) {
    const StepWork work = StepWork::of(1 + i % 64, 0);
    costs.step.learn(work, constant + row * work.rows);
    costs.prediction.learn(work, run);
  }
  return costs;
}

std::int32_t drafts(double probability, int sequences, const StepCosts& costs, bool predicts = false) {
  std::vector<Drafted> all(std::size_t(sequences), {probability, 100, 4, 0});
  StepWork work;
  for (int i = 0; i < sequences; ++i) work = work + StepWork::of(1, 100);
  return choose_draft_lengths(all, work, predicts, costs);
}

TEST(DraftLength, IsLongWhereARowIsCheapAndGuessesAreRight) {
  const StepCosts cheap = machine(10e-3, 0.1e-3);
  EXPECT_EQ(drafts(0.95, 1, cheap), 4);
  EXPECT_EQ(drafts(0, 1, cheap), 0);
  EXPECT_GT(drafts(0.6, 1, cheap), drafts(0.15, 1, cheap));
}

TEST(DraftLength, IsNothingWhereEachRowTakesItsTime) {
  const StepCosts dear = machine(0.1e-3, 10e-3);
  for (const double probability : {0.3, 0.6, 0.9}) EXPECT_EQ(drafts(probability, 4, dear), 0);
}

TEST(DraftLength, ShrinksAsTheBatchGrows) {
  const StepCosts cost = machine(10e-3, 0.5e-3);
  EXPECT_GT(drafts(0.7, 1, cost), drafts(0.7, 64, cost));
}

TEST(DraftLength, IsNothingWhereARunOfThePredictionLayerTakesMoreThanItBrings) {
  const StepCosts cost = machine(10e-3, 0.1e-3, 8e-3);
  EXPECT_EQ(drafts(0.7, 1, cost, true), 0);
  EXPECT_EQ(drafts(0.95, 1, cost, true), 1) << "two tokens in 18 ms are more than one in 10";
  EXPECT_GT(drafts(0.95, 1, cost, false), 1);
}

TEST(DraftLength, ARunOfThePredictionLayerIsTriedBeforeItsCostIsKnown) {
  StepCosts costs;
  for (int i = 0; i < 400; ++i) costs.step.learn(StepWork::of(1 + i % 64, 0), 1e-3);
  EXPECT_GT(drafts(Acceptance::of(DraftMethod::mtp).probability(), 32, costs, true), 0);
  costs.prediction.learn(StepWork::of(32, 0), 5e-3);
  EXPECT_EQ(drafts(Acceptance::of(DraftMethod::mtp).probability(), 32, costs, true), 0);
}

TEST(Acceptance, FollowsWhatWasTriedAndHopesAgain) {
  Acceptance good, bad;
  for (int i = 0; i < 50; ++i) good.tried(2, 2), bad.tried(2, 0);
  EXPECT_GT(good.probability(), 0.95);
  EXPECT_LT(bad.probability(), 0.05);
  for (int i = 0; i < 200; ++i) bad.rested(), good.rested();
  EXPECT_GT(bad.probability(), 0.25);
  EXPECT_GT(good.probability(), 0.95);
}

}  // namespace
}  // namespace troupe::runtime
