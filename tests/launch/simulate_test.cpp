// The program's simulations, on the command line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/launch/program.hpp"

namespace troupe::launch {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class Simulate : public ProgramTest {
 protected:
  const std::string trace_ = std::string(TEST_DATA) + "/traces/splitwise_conv_head.csv";
  json result(const std::string& arguments) {
    const Outcome outcome = run("simulate --json " + arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return json::parse(outcome.out);
  }
};

TEST_F(Simulate, ATraceIsServedByEachPolicy) {
  const json found = result("--trace '" + trace_ + "' -tp 8 -ep --compare all");
  ASSERT_GE(found["policies"].size(), 11u);
  for (const json& policy : found["policies"]) {
    EXPECT_EQ(policy["completed"], 50) << policy["policy"];
    EXPECT_EQ(policy["refused"], 0);
    EXPECT_GT(policy["p50_ttft_ms"], 1);
    EXPECT_GT(policy["p50_tpot_ms"], 1);
    EXPECT_LE(policy["p50_e2el_ms"], policy["p99_e2el_ms"]);
  }
}

TEST_F(Simulate, TheSameSeedGivesTheSameFigures) {
  const std::string drawn =
      "--request-rate 8 --num-requests 200 --output-distribution lognormal --turns 3 --system-len 100 -dp 8 -ep ";
  EXPECT_EQ(result(drawn), result(drawn));
  EXPECT_NE(result(drawn), result(drawn + "--seed 1"));
  EXPECT_GT(result(drawn)["policies"][0]["cached_percent"], 10);
}

TEST_F(Simulate, ASmallerCacheIsReadFaster) {
  const auto tpot = [&](const std::string& type) {
    return result("--num-requests 40 -tp 8 --input-len 8000 --kv-cache-dtype " +
                  type)["policies"][0]["p50_tpot_ms"]
        .get<double>();
  };
  EXPECT_LT(tpot("fp8"), tpot("bf16"));
  EXPECT_LT(tpot("bf16"), tpot("f32"));
  EXPECT_EQ(tpot("auto"), tpot("bf16"));  // as the profile of the model has it
}

TEST_F(Simulate, SeedsGiveIntervals) {
  const json found =
      result("--num-requests 100 -tp 8 --output-distribution exponential --seeds 4")["policies"][0];
  EXPECT_EQ(found["seeds"], 4);
  EXPECT_GT(found["p50_e2el_ms_half_width"], 0);
}

TEST_F(Simulate, ThreadsChangeNothing) {
  const std::string asked =
      "--num-requests 200 --request-rate 20 -tp 4 -dp 2 -ep --output-distribution exponential --seeds 5 --replicas 2 "
      "--router p2c --fail 500 --recovery-seconds 0.5 --compare fcfs,vtc --threads ";
  const json one = result(asked + "1");
  EXPECT_EQ(one, result(asked + "3"));
  EXPECT_GT(one["policies"][0]["rank_deaths"], 0);
  EXPECT_EQ(one["policies"][0]["completed"], 200);
}

TEST_F(Simulate, ATraceHasSeedsIfSomethingIsDrawn) {
  const json found = result("--trace '" + trace_ + "' -tp 8 --replicas 3 --router p2c --seeds 3");
  EXPECT_EQ(found["policies"][0]["seeds"], 3);
  EXPECT_EQ(found["policies"][0]["completed"], 50);
}

TEST_F(Simulate, DrawsWhatItFound) {
  for (const char* ending : {".html", ".svg"}) {
    const std::filesystem::path file = folder_ / (std::string("plot") + ending);
    const Outcome outcome =
        run("simulate --num-requests 60 --request-rate 20 -tp 8 --num-gpu-blocks 2100 --compare "
            "fcfs,decode_first --plot-rates 0.5,1 --plot '" +
            file.string() + "'");
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    const std::string drawn = read_file(file);
    for (const char* part : {"Time to first token", "requests/s that come", "took no longer",
                             "Steps under fcfs", "Steps under decode_first", "of the prompt"})
      EXPECT_THAT(drawn, HasSubstr(part));
    EXPECT_THAT(drawn, testing::Not(HasSubstr("nan")));
  }
}

TEST_F(Simulate, SoaksASchedulerInSeeds) {
  const auto lives = [&](const std::string& arguments) {
    const Outcome outcome = run("simulate --soak 40 " + arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.out << outcome.err;
    return outcome.out;
  };
  const std::string all = lives("--threads 1");
  EXPECT_EQ(all, lives("--threads 3"));
  EXPECT_THAT(all, HasSubstr("nonsense"));
  EXPECT_NE(all, lives("--seed 40"));
  EXPECT_THAT(lives("--compare vtc"), testing::Not(HasSubstr("fcfs")));
}

TEST_F(Simulate, CapacityIsTheHighestRateThatHolds) {
  const std::string asked = "--num-requests 300 -tp 8 -ep --ttft-slo-ms 1000 --tpot-slo-ms 60 ";
  const double factor = result(asked + "--find-capacity")["policies"][0]["rate_factor"];
  ASSERT_GT(factor, 0);
  const auto good = [&](double at) -> double {
    return result(asked + "--rate " + std::to_string(at))["policies"][0]["good_percent"];
  };
  EXPECT_GE(good(factor * 0.999), 90);
  EXPECT_LT(good(factor * 1.05), 90);
}

TEST_F(Simulate, ExplainsWhereTimeGoes) {
  const Outcome outcome = run("simulate --num-requests 20 -tp 8 -ep --explain --num-speculative-tokens 1");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  for (const char* part : {"decoding alone", "with prompts", "projections", "attention", "experts",
                           "all-reduce", "head", "overhead", "prediction", "TTFT p99 (ms)", "KV blocks"})
    EXPECT_THAT(outcome.out, HasSubstr(part));
}

TEST_F(Simulate, ServesWithAMachineThatWasMeasured) {
  const std::string steps = "'" + (folder_ / "demo.steps").string() + "'";
  const Outcome measured = run("bench step --num-steps 64 --max-num-seqs 8 --input-len 32 --record " + steps);
  EXPECT_EQ(measured.code, 0) << measured.err;
  EXPECT_THAT(measured.out, HasSubstr("64 steps; of those not fitted to, the predicted time is off by"));
  const json found = result("--steps " + steps + " --num-gpu-blocks 2048 --num-requests 20 --input-len 32");
  EXPECT_EQ(found["policies"][0]["completed"], 20);
}

TEST_F(Simulate, RefusesWhatMakesNoSense) {
  const auto error = [&](const std::string& arguments) {
    const Outcome outcome = run("simulate " + arguments);
    EXPECT_EQ(outcome.code, 2) << arguments;
    return outcome.err;
  };
  EXPECT_THAT(error("--policy fcsf"), HasSubstr("the nearest known one is fcfs"));
  EXPECT_THAT(error("--compare fcfs,lottery"), HasSubstr("'lottery' is no policy"));
  EXPECT_THAT(error("--find-capacity"), HasSubstr("--find-capacity"));
  EXPECT_THAT(error("--trace x.csv --seeds 3"), HasSubstr("--seeds"));
  EXPECT_THAT(error("--steps x"), HasSubstr("--num-gpu-blocks"));
  EXPECT_THAT(error("--steps x --num-gpu-blocks 9 --fail 1"), HasSubstr("--recovery-seconds"));
  EXPECT_THAT(error("--router random"), HasSubstr("prefix_aware"));
  EXPECT_THAT(error("--replicas 0"), HasSubstr("--replicas"));
  EXPECT_THAT(error("--plot x.png"), HasSubstr(".svg"));
  EXPECT_THAT(error("--plot-rates 1,fast"), HasSubstr("'fast'"));
  EXPECT_THAT(error("--plot-rates 0"), HasSubstr("'0'"));
  EXPECT_THAT(error("--plot x.svg --find-capacity --ttft-slo-ms 9"), HasSubstr("--find-capacity"));
  EXPECT_THAT(run("simulate -tp 8 --fail 1000000 --num-requests 9").err, HasSubstr("ranks died"));
  EXPECT_EQ(run("simulate --trace /no/such/file -tp 8").code, 1);
  EXPECT_THAT(run("simulate -tp 8 --machine-profile h100x8").err, HasSubstr("leave no memory"));
  EXPECT_THAT(run("simulate -tp 8 --policy vtc --policy-option zebra=1").err, HasSubstr("no option 'zebra'"));
}

}  // namespace
}  // namespace troupe::launch
