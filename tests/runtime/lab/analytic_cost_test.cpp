#include "runtime/lab/analytic_cost.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>

#include "tests/error_of.hpp"

namespace troupe::runtime::lab {
namespace {

const std::filesystem::path profiles = std::string(SOURCE_DIR) + "/config/profiles";

AnalyticCost cost_of(const char* machine, Layout layout, double skew = 0) {
  auto model = config::read_model_shape("deepseek-v3", profiles);
  model.expert_skew = skew;
  return AnalyticCost(model, config::read_machine(machine, profiles), layout);
}

// Sequences that decode at one context.
StepLoad decoding(std::int32_t sequences, std::int32_t context, std::int32_t groups = 1) {
  return {.rows = sequences,
          .sequences = sequences,
          .samples = sequences,
          .attended = double(sequences) * context,
          .context = double(sequences) * context,
          .replica_rows = sequences * groups};
}
StepLoad prompt(std::int32_t tokens) {
  return {.rows = tokens,
          .sequences = 1,
          .samples = 1,
          .attended = StepWork::of(tokens, 0).attended,
          .context = double(tokens),
          .replica_rows = tokens};
}

// 671 B parameters of one byte, some of them of two.
TEST(AnalyticCost, WeighsDeepSeekV3AsPublished) {
  const double one = cost_of("h200x8", {1, 1}).weight_bytes();
  EXPECT_NEAR(one / 1e9, 685, 5) << "671 B, the prediction layer's 11.5 B, and bytes of BF16";
  const double eighth = cost_of("h200x8", {8, 1}).weight_bytes();
  EXPECT_GT(eighth, one / 8);
  EXPECT_LT(eighth, one / 8 * 1.05);
}

TEST(AnalyticCost, AMachineWithoutRoomIsRefused) {
  EXPECT_EQ(
      error_of([] {
        cost_of("h100x8", {8, 1, true}).blocks(16);
      }),
      "the machine: a rank's 87 GB of weights leave no memory for a cache of 80 GB in all; more ranks or hosts "
      "have less each");
  EXPECT_GT(cost_of("h100x16", {8, 2, true}).blocks(16), 10'000);
  EXPECT_GT(cost_of("h200x8", {8, 1, true}).blocks(16), 20'000);
  EXPECT_NE(error_of([] { cost_of("h200x8", {8, 2}); }), "no error");
  EXPECT_NE(error_of([] { cost_of("h200x8", {3, 1}); }), "no error");
}

TEST(AnalyticCost, ExpertsAreHitAsChanceHasIt) {
  const auto all = cost_of("h200x8", {8, 1});
  EXPECT_DOUBLE_EQ(all.experts_hit(1), 8);
  EXPECT_NEAR(all.experts_hit(32), 256 * (1 - std::pow(1 - 8.0 / 256, 32)), 1e-9);
  EXPECT_NEAR(all.experts_hit(10'000), 256, 1e-6);
  const auto spread = cost_of("h200x8", {8, 1, true});
  EXPECT_NEAR(spread.experts_hit(32), all.experts_hit(32) / 8, 1e-9);
  const auto skewed = cost_of("h200x8", {8, 1}, 1);
  EXPECT_NEAR(skewed.experts_hit(1), 8, 1e-9);
  EXPECT_LT(skewed.experts_hit(32), all.experts_hit(32));
}

// A lower bound: what must be read takes as long as memory is fast.
TEST(AnalyticCost, ADecodingStepIsBoundByMemoryAndAPromptByArithmetic) {
  const auto cost = cost_of("h200x8", {8, 1, true});
  const double single = cost.step(decoding(1, 1000)).compute_seconds;
  EXPECT_GT(single, 37e9 / 8 / 4.8e12);
  EXPECT_LT(single, 10e-3);
  const double full = cost.step(decoding(256, 1000)).compute_seconds;
  EXPECT_GT(full, 671e9 / 8 / 4.8e12) << "nearly every expert is read";
  EXPECT_LT(full, 60e-3);
  const double tokens = 8192, long_prompt = cost.step(prompt(8192)).compute_seconds;
  EXPECT_GT(long_prompt, 2 * 37e9 * tokens / (8 * 1979e12));
  EXPECT_LT(long_prompt, 2);
  EXPECT_GT(cost_of("h200x8", {8, 1}).step(decoding(1, 100'000)).compute_seconds,
            cost.step(decoding(1, 10)).compute_seconds);
}

TEST(AnalyticCost, FasterMachinesTakeLess) {
  for (const StepLoad& load : {decoding(1, 1000), decoding(128, 4000), prompt(2048)}) {
    const double h100 = cost_of("h100x16", {8, 1, true}).step(load).compute_seconds;
    const double h200 = cost_of("h200x8", {8, 1, true}).step(load).compute_seconds;
    const double b200 = cost_of("b200x8", {8, 1, true}).step(load).compute_seconds;
    EXPECT_GE(h100, h200);
    EXPECT_GT(h200, b200);
  }
  const StepLoad load = decoding(16, 1000, 16);
  EXPECT_GT(cost_of("h200x16", {1, 16, true}).step(load).compute_seconds, 0) << "experts of two hosts";
}

RC_GTEST_PROP(AnalyticCost, MoreToDoNeverTakesLessAndPartsAddUp, ()) {
  static const AnalyticCost costs[] = {cost_of("h200x8", {8, 1, true}), cost_of("h200x16", {1, 16, true}),
                                       cost_of("b200x16", {4, 4}), cost_of("h200x8", {8, 1, true}, 0.7)};
  const AnalyticCost& cost = costs[*rc::gen::inRange(0, 4)];
  StepLoad load = decoding(*rc::gen::inRange(1, 300), *rc::gen::inRange(1, 5000), *rc::gen::inRange(1, 17));
  load.predictions = *rc::gen::inRange(0, 3);
  const StepTimes times = cost.step(load);
  double sum = 0;
  for (const CostPart& part : cost.explain(load)) {
    RC_ASSERT(part.seconds >= 0);
    sum += part.seconds;
  }
  RC_ASSERT(std::abs(sum - times.compute_seconds - times.prediction_seconds) < 1e-9);
  StepLoad more = load;
  more.rows += *rc::gen::inRange(0, 100);
  more.replica_rows += more.rows - load.rows;
  more.attended += *rc::gen::inRange(0, 100'000);
  more.context += *rc::gen::inRange(0, 100'000);
  RC_ASSERT(cost.step(more).compute_seconds >= times.compute_seconds - 1e-12);
}

}  // namespace
}  // namespace troupe::runtime::lab
