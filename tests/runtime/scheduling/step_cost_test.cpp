#include "runtime/scheduling/step_cost.hpp"

#include <gtest/gtest.h>

#include <random>

namespace troupe::runtime {
namespace {

// A machine whose steps take 4 ms, 0.5 ms a row, and 100 ns a position that a row attends to, give or take 2 %.
double measured(const StepWork& work, std::mt19937& random) {
  const double exact = 4e-3 + 0.5e-3 * work.rows + 100e-9 * work.attended;
  return exact * std::uniform_real_distribution(0.98, 1.02)(random);
}

StepCost learned(std::mt19937& random) {
  StepCost cost;
  for (int i = 0; i < 300; ++i) {
    StepWork work = StepWork::of(1 + int(random() % 8), int(random() % 2000));
    if (i % 10 == 0) work = work + StepWork::of(int(random() % 500), int(random() % 3000));
    cost.learn(work, measured(work, random));
  }
  return cost;
}

TEST(StepCost, ForeseesWhatAStepTakes) {
  std::mt19937 random(5);
  const StepCost cost = learned(random);
  for (const StepWork work :
       {StepWork::of(1, 10), StepWork::of(8, 1000), StepWork::of(400, 0), StepWork::of(256, 3000)})
    EXPECT_NEAR(cost.seconds(work) / measured(work, random), 1, 0.1);
}

TEST(StepCost, SaysHowManyRowsFit) {
  std::mt19937 random(6);
  const StepCost cost = learned(random);
  const StepWork decoding = StepWork::of(4, 100);
  for (const std::int32_t computed : {0, 5000}) {
    const std::int32_t fits = cost.rows_within(0.1, decoding, computed, 2048);
    EXPECT_LE(cost.seconds(decoding + StepWork::of(fits, computed)), 0.1);
    EXPECT_GT(cost.seconds(decoding + StepWork::of(fits + 1, computed)), 0.1);
  }
  EXPECT_GT(cost.rows_within(0.1, decoding, 0, 2048), cost.rows_within(0.1, decoding, 5000, 2048));
  EXPECT_EQ(cost.rows_within(10, decoding, 0, 128), 128);
  EXPECT_EQ(cost.rows_within(1e-6, decoding, 0, 128), 0);
}

TEST(StepCost, FollowsAMachineThatChanges) {
  std::mt19937 random(7);
  StepCost cost = learned(random);
  for (int i = 0; i < 500; ++i) {
    const StepWork work = StepWork::of(1 + i % 64, 100);
    cost.learn(work, 3 * measured(work, random));
  }
  const StepWork work = StepWork::of(32, 100);
  EXPECT_NEAR(cost.seconds(work) / (3 * measured(work, random)), 1, 0.1);
}

TEST(StepCost, GuessesBeforeAnythingIsKnownAndTakesNoNonsense) {
  StepCost cost;
  EXPECT_EQ(cost.rows_within(0.2, {}, 0, 2048), 200);
  cost.learn(StepWork::of(10, 0), 0);
  cost.learn({}, 1);
  EXPECT_EQ(cost.rows_within(0.2, {}, 0, 2048), 200);
}

}  // namespace
}  // namespace troupe::runtime
