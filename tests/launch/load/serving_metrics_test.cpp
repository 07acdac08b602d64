#include "launch/load/serving_metrics.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "config/setting.hpp"

namespace troupe::launch::load {
namespace {

TEST(ServingMetrics, PercentilesLieBetweenNeighbours) {
  const std::vector<double> values{1, 2, 3, 4};
  EXPECT_DOUBLE_EQ(percentile(values, 0), 1);
  EXPECT_DOUBLE_EQ(percentile(values, 50), 2.5);
  EXPECT_DOUBLE_EQ(percentile(values, 90), 3.7);
  EXPECT_DOUBLE_EQ(percentile(values, 100), 4);
}

TEST(ServingMetrics, DistributionsAreInMilliseconds) {
  const std::vector<double> percents{99};
  const Distribution times = distribution({0.004, 0.001, 0.002, 0.003}, percents);
  EXPECT_DOUBLE_EQ(times.mean, 2.5);
  EXPECT_DOUBLE_EQ(times.median, 2.5);
  EXPECT_NEAR(times.std, std::sqrt(1.25), 1e-12);
  EXPECT_NEAR(times.percentiles.at(0), 3.97, 1e-12);
  EXPECT_EQ(distribution({}, percents).percentiles.at(0), 0);
}

// Three answers and a failure in two seconds.
std::vector<Exchange> exchanges() {
  return {
      {.start = 0, .ttft = 0.1, .itl = {0.1, 0.1}, .latency = 0.3, .prompt_len = 10, .output_len = 3},
      {.start = 0.1, .ttft = 0.6, .itl = {0.2}, .latency = 0.8, .prompt_len = 20, .output_len = 2},
      {.start = 0.9, .ttft = 0.2, .latency = 0.2, .prompt_len = 30, .output_len = 1},
      {.start = 0.2, .ttft = 0.1, .latency = 0.1, .prompt_len = 40, .output_len = 1, .error = "status 500"}};
}

TEST(ServingMetrics, CountWhatCompleted) {
  const ServingMetrics metrics = measure(exchanges(), 2, std::vector<double>{50}, {});
  EXPECT_EQ(metrics.completed, 3);
  EXPECT_EQ(metrics.failed, 1);
  EXPECT_EQ(metrics.total_input, 60);
  EXPECT_EQ(metrics.total_output, 6);
  EXPECT_DOUBLE_EQ(metrics.request_throughput, 1.5);
  EXPECT_DOUBLE_EQ(metrics.output_throughput, 3);
  EXPECT_DOUBLE_EQ(metrics.total_token_throughput, 33);
  EXPECT_EQ(metrics.max_output_tokens_per_s, 5);
  EXPECT_EQ(metrics.max_concurrent_requests, 2);
  EXPECT_NEAR(metrics.times.at("ttft").mean, 300, 1e-9);
  EXPECT_NEAR(metrics.times.at("tpot").mean, 150, 1e-9);  // an answer of one token has none
  EXPECT_NEAR(metrics.times.at("itl").median, 100, 1e-9);
  EXPECT_NEAR(metrics.times.at("e2el").median, 300, 1e-9);
}

TEST(ServingMetrics, GoodRequestsKeepAllObjectives) {
  const auto goodput = [](const std::vector<std::string>& texts) {
    return measure(exchanges(), 1, {}, parse_objectives(texts)).request_goodput;
  };
  EXPECT_EQ(goodput({}), 0);
  EXPECT_EQ(goodput({"ttft:500"}), 2);
  EXPECT_EQ(goodput({"ttft:1000"}), 3);
  EXPECT_EQ(goodput({"tpot:150"}), 2);  // 0 for one token
  EXPECT_EQ(goodput({"ttft:500", "tpot:50"}), 1);
  EXPECT_EQ(goodput({"e2el:250"}), 1);
}

TEST(ServingMetrics, ObjectivesHaveANameAndANumber) {
  for (const char* text : {"", "ttft", "ttft:", "ttft:x", "ttft:-1", "itl:5", ":5", "ttft:5ms", "ttft:nan"})
    EXPECT_THROW(parse_objectives({text}), config::UsageError) << text;
}

}  // namespace
}  // namespace troupe::launch::load
