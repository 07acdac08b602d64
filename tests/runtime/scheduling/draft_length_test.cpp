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

// An estimate that will not move much.
Acceptance sure_of(double probability) {
  return Acceptance(probability);
}

std::int32_t drafts(double probability, int sequences, const StepCosts& costs, bool predicts = false) {
  const Acceptance acceptance = sure_of(probability);
  std::vector<Drafted> all(std::size_t(sequences), {&acceptance, 100, 4, 0});
  StepWork work;
  for (int i = 0; i < sequences; ++i) work = work + StepWork::of(1, 100, 1);
  return choose_draft_lengths(all, work, predicts, costs).longest;
}

bool pays(double probability, int sequences, const StepCosts& costs, double prompt_rows_a_token = 0) {
  const Acceptance acceptance = sure_of(probability);
  std::vector<Drafted> all(std::size_t(sequences), {&acceptance, 100, 4, 0});
  PredictionSwitch prediction;
  for (int i = 0; i < 5000; ++i) prediction.learn(prompt_rows_a_token * 10, 10);
  return prediction.decide(all, costs);
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

TEST(DraftLength, EndsWhereAFurtherRunOfThePredictionLayerTakesMoreThanItBrings) {
  const StepCosts cost = machine(10e-3, 0.1e-3, 8e-3);
  EXPECT_EQ(drafts(0.95, 1, cost, true), 1) << "the run over the step's own rows is another's choice";
  EXPECT_GT(drafts(0.95, 1, cost, false), 1);
}

TEST(PredictionSwitch, IsOnWhereARunBringsMoreThanItTakes) {
  const StepCosts cost = machine(10e-3, 0.1e-3, 8e-3);
  EXPECT_TRUE(pays(0.95, 1, cost)) << "two tokens in 18 ms are more than one in 10";
  EXPECT_FALSE(pays(0.7, 1, cost));
  EXPECT_TRUE(pays(0.95, 1, StepCosts{cost.step, {}})) << "nobody knows yet what a run takes";
}

TEST(PredictionSwitch, TriesAgainAfterAWhile) {
  StepCosts cost = machine(10e-3, 0.1e-3, 30e-3);
  const Acceptance acceptance = sure_of(0.9);
  std::vector<Drafted> one{{&acceptance, 100, 1, 0}};
  PredictionSwitch prediction;
  int steps = 0, runs = 0;
  for (; steps < 30000; ++steps)
    if (prediction.decide(one, cost)) ++runs, cost.prediction.learn(StepWork::of(1, 100), 30e-3);
  EXPECT_GT(runs, 32);
  EXPECT_LT(runs, 30000 / 100) << "which costs next to nothing";
  EXPECT_FALSE(prediction.decide(one, cost));
  while (!prediction.decide(one, cost)) ASSERT_LT(++steps, 50000);
  for (int i = 0; i < 64; ++i) cost.prediction.learn(StepWork::of(1, 100), 1e-3);  // the machine is another
  EXPECT_TRUE(prediction.decide(one, cost));
}

TEST(PredictionSwitch, CountsRunsOverPrompts) {
  StepCosts cost = machine(10e-3, 0.1e-3);
  for (int i = 0; i < 400; ++i)
    cost.prediction.learn(StepWork::of(1 + i % 64, 0), 1e-4 + 0.1e-3 * (1 + i % 64));
  EXPECT_TRUE(pays(0.9, 1, cost, 1));
  EXPECT_FALSE(pays(0.9, 1, cost, 100)) << "a token that takes 10 ms less, for prompts that take 10 ms more";
}

TEST(PredictionSwitch, DoesNotFlickerAtItsBorder) {
  const StepCosts cost = machine(10e-3, 0.1e-3, 8e-3);
  const Acceptance good = sure_of(0.95), fair = sure_of(0.86), bad = sure_of(0.5);
  const auto decide = [&](PredictionSwitch& prediction, const Acceptance& acceptance) {
    std::vector<Drafted> one{{&acceptance, 100, 1, 0}};
    return prediction.decide(one, cost);
  };
  PredictionSwitch prediction;
  for (int i = 0; i < 5000; ++i) prediction.learn(0, 1);
  EXPECT_TRUE(decide(prediction, good));
  EXPECT_TRUE(decide(prediction, fair));
  EXPECT_FALSE(decide(prediction, bad));
  EXPECT_FALSE(decide(prediction, fair)) << "it has to pay by more before it is run again";
  EXPECT_TRUE(decide(prediction, good));
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

TEST(Acceptance, TellsPlacesApart) {
  Acceptance acceptance(0.8, 0.01);
  for (int i = 0; i < 100; ++i)
    acceptance.tried(3, 1);  // the second one is always wrong, the third one is never seen
  EXPECT_GT(acceptance.probability(1), 0.95);
  EXPECT_LT(acceptance.probability(2), 0.05);
  for (int i = 0; i < 20; ++i) acceptance.rested(1);
  EXPECT_GT(acceptance.probability(1), 0.95) << "it was tried";
  EXPECT_GT(acceptance.probability(2), 0.1);
  EXPECT_EQ(Acceptance(0.9).worthy_length(100), 13) << "0.9^13 > 0.25 > 0.9^14, also past the last place";
}

}  // namespace
}  // namespace troupe::runtime
