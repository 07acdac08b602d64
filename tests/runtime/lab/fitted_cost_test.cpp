#include "runtime/lab/fitted_cost.hpp"

#include <gtest/gtest.h>

#include <random>

#include "runtime/lab/step_record.hpp"
#include "tests/error_of.hpp"

namespace troupe::runtime::lab {
namespace {

// Steps of a machine that is known, of all sizes, each off by up to `noise` of its time.
std::vector<MeasuredStep> measured(int count, double noise, unsigned seed) {
  std::mt19937 random(seed);
  const auto draw = [&](double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(random);
  };
  const LinearCost truth(2e-3, 40e-6, 2e-9);
  std::vector<MeasuredStep> steps;
  for (int i = 0; i < count; ++i) {
    MeasuredStep step;
    step.load.sequences = step.load.samples = int(draw(1, 64));
    step.load.rows = step.load.replica_rows = step.load.sequences + (i % 4 == 0 ? int(draw(0, 1000)) : 0);
    step.load.context = step.load.sequences * draw(10, 4000);
    step.load.attended = step.load.context * step.load.rows / step.load.sequences;
    step.load.predictions = i % 2;
    step.times = truth.step(step.load);
    step.times.compute_seconds *= 1 + draw(-noise, noise);
    step.times.prediction_seconds = 0.1 * step.times.compute_seconds * step.load.predictions;
    steps.push_back(step);
  }
  return steps;
}

TEST(FittedCost, FindsWhatStepsTake) {
  const FittedCost cost(measured(500, 0, 1));
  const auto others = measured(500, 0, 2);
  EXPECT_LT(cost.error(others, 0.5), 0.02);
  EXPECT_LT(cost.error(others, 0.9), 0.05);
  double sum = 0;
  StepLoad load = others.front().load;
  load.predictions = 2;
  for (const CostPart& part : cost.explain(load)) sum += part.seconds;
  EXPECT_NEAR(sum, cost.step(load).compute_seconds + cost.step(load).prediction_seconds, 1e-12);
  EXPECT_NEAR(cost.step(load).prediction_seconds, 0.2 * cost.step(load).compute_seconds, 1e-9);
}

TEST(FittedCost, IsNotMisledByStepsThatSomethingHeldUp) {
  auto steps = measured(500, 0.02, 1);
  for (std::size_t i = 0; i < steps.size(); i += 10) steps[i].times.compute_seconds *= 5;
  const auto others = measured(500, 0, 2);
  EXPECT_LT(FittedCost(steps).error(others, 0.5), 0.05);
  EXPECT_LT(FittedCost(steps).error(others, 0.9), 0.10);
}

// Of bench/simulated with one thread of virtual machines with AVX-512: the first 1,500 steps of the demo model, and 300 of the
// random checkpoint of 1 GB, whose short steps read experts and whose long ones compute. Every second one says what the others take.
class FittedCostOfARecordedRun : public testing::TestWithParam<const char*> {};

TEST_P(FittedCostOfARecordedRun, PredictsTheOtherSteps) {
  const auto steps = read_steps(std::string(TEST_DATA "/steps/") + GetParam() + ".steps").steps;
  ASSERT_GE(steps.size(), 300u);
  std::vector<MeasuredStep> known, others;
  for (std::size_t i = 0; i < steps.size(); ++i) (i % 2 == 0 ? known : others).push_back(steps[i]);
  const FittedCost cost(known);
  EXPECT_LT(cost.error(others, 0.5), 0.05);
  EXPECT_LT(cost.error(others, 0.9), 0.10);
  double predicted = 0, measured = 0;
  for (const MeasuredStep& each : others) {
    predicted += cost.step(each.load).compute_seconds;
    measured += each.times.compute_seconds;
  }
  EXPECT_NEAR(predicted / measured, 1, 0.03) << "the whole run";
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, FittedCostOfARecordedRun, testing::Values("demo", "synth"),
                         [](const auto& each) { return std::string(each.param); });

TEST(FittedCost, NeedsSomeSteps) {
  auto steps = measured(FittedCost::fewest_steps, 0, 1);
  FittedCost enough(steps);
  steps.back().times = {};
  EXPECT_EQ(error_of([&] { FittedCost{steps}; }),
            "fitting: 15 measured steps are fewer than the 16 that a model needs");
}

}  // namespace
}  // namespace troupe::runtime::lab
