#include "runtime/lab/generator.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/base/error.hpp"

namespace troupe::runtime::lab {
namespace {

std::vector<TraceRequest> some(const GeneratorSettings& settings, int count) {
  Generator generator(settings);
  std::vector<TraceRequest> requests;
  for (int i = 0; i < count; ++i) requests.push_back(*generator.next());
  return requests;
}

TEST(Generator, DrawsThePromisedRate) {
  for (double burstiness : {0.25, 1.0, 4.0}) {
    const auto requests = some({.rate = 5, .burstiness = burstiness}, 20000);
    EXPECT_NEAR(requests.back().arrives, 4000, 150) << burstiness;
    EXPECT_TRUE(std::ranges::is_sorted(requests, {}, &TraceRequest::arrives));
  }
}

TEST(Generator, TheSameSeedDrawsTheSame) {
  const GeneratorSettings settings{.output_lengths = Lengths::lognormal, .turns = 3, .callers = 4, .seed = 7};
  const auto a = some(settings, 500), b = some(settings, 500);
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].arrives, b[i].arrives);
    EXPECT_EQ(a[i].output_tokens, b[i].output_tokens);
    EXPECT_EQ(a[i].caller, b[i].caller);
  }
}

TEST(Generator, ASpikeIsOneForItsTime) {
  const auto requests = some({.rate = 10, .spike_begins = 100, .spike_seconds = 50, .spike_factor = 5}, 6000);
  const auto within = [&](double begin, double end) {
    return std::ranges::count_if(
        requests, [&](const auto& each) { return each.arrives >= begin && each.arrives < end; });
  };
  EXPECT_NEAR(double(within(0, 100)), 1000, 100);
  EXPECT_NEAR(double(within(100, 150)), 2500, 160);
  EXPECT_NEAR(double(within(150, 250)), 1000, 100);
}

TEST(Generator, DrawsLengthsOfTheirMeans) {
  for (Lengths kind : {Lengths::fixed, Lengths::uniform, Lengths::exponential, Lengths::lognormal}) {
    const auto requests = some({.prompt_tokens = 500, .prompt_lengths = kind}, 20000);
    double sum = 0;
    for (const TraceRequest& each : requests) sum += each.prompt_tokens();
    EXPECT_NEAR(sum / double(requests.size()), 500, 15);
  }
  for (const TraceRequest& each : some({.output_lengths = Lengths::lognormal, .longest = 200}, 1000)) {
    EXPECT_GE(each.output_tokens, 1);
    EXPECT_LE(each.output_tokens, 200);
  }
}

TEST(Generator, ATurnBeginsWithAllBeforeIt) {
  const auto requests =
      some({.rate = 0.001, .prompt_tokens = 10, .output_tokens = 5, .system_tokens = 20, .turns = 3}, 6);
  ASSERT_EQ(requests[0].prompt.size(), 2u);
  EXPECT_EQ(requests[0].prompt_tokens(), 30);
  ASSERT_EQ(requests[2].prompt.size(), 6u);
  EXPECT_EQ(requests[2].prompt_tokens(), 60);
  EXPECT_EQ(requests[2].prompt[2].content, requests[0].answer);
  EXPECT_EQ(requests[2].prompt[4].content, requests[1].answer);
  EXPECT_EQ(requests[3].prompt.size(), 2u) << "another conversation";
  EXPECT_NE(requests[3].prompt[1].content, requests[0].prompt[1].content);
}

TEST(Generator, RefusesWhatCannotBeDrawn) {
  EXPECT_THROW(Generator({.rate = 0}), Error);
  EXPECT_THROW(Generator({.burstiness = -1}), Error);
  EXPECT_THROW(Generator({.prompt_tokens = 0}), Error);
  EXPECT_THROW(Generator({.turns = 0}), Error);
}

}  // namespace
}  // namespace troupe::runtime::lab
