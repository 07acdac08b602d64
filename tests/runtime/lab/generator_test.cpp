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
    EXPECT_EQ(a[i].later.back().thinks, b[i].later.back().thinks);
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

TEST(Generator, ATurnBeginsWithAllBeforeItAndWaitsForItsAnswer) {
  const auto conversations =
      some({.prompt_tokens = 10, .output_tokens = 5, .system_tokens = 20, .turns = 3}, 2);
  const TraceRequest& first = conversations[0];
  ASSERT_EQ(first.prompt.size(), 2u);
  EXPECT_EQ(first.prompt_tokens(), 30);
  ASSERT_EQ(first.later.size(), 2u);
  const TraceRequest second = TraceRequest(first).next_turn(100);
  EXPECT_EQ(second.arrives, 100 + first.later.back().thinks);
  EXPECT_EQ(second.later.size(), 1u);
  const TraceRequest third = TraceRequest(second).next_turn(200);
  EXPECT_EQ(third.arrives, 200 + first.later.front().thinks);
  EXPECT_TRUE(third.later.empty());
  ASSERT_EQ(third.prompt.size(), 6u);
  EXPECT_EQ(third.prompt_tokens(), 60);
  EXPECT_EQ(third.prompt[2].content, first.answer);
  EXPECT_EQ(third.prompt[4].content, second.answer);
  EXPECT_NE(third.answer, second.answer);
  EXPECT_EQ(conversations[1].prompt.size(), 2u) << "another conversation";
  EXPECT_NE(conversations[1].prompt[1].content, first.prompt[1].content);
}

TEST(Generator, DrawsThePromisedRateAndPausesOfConversations) {
  const auto conversations = some({.rate = 5, .turns = 4, .think_seconds = 7}, 5000);
  EXPECT_NEAR(conversations.back().arrives, 4000, 150);
  double thinks = 0;
  for (const TraceRequest& each : conversations)
    for (const LaterTurn& turn : each.later) thinks += turn.thinks;
  EXPECT_NEAR(thinks / (3 * 5000), 7, 0.2);
}

TEST(Generator, AWindowCountsTheTurnsOfItsConversations) {
  const auto turns = [](std::uint64_t requests) {
    TraceWindow window([] { return std::make_unique<Generator>(GeneratorSettings{.turns = 3}); }, requests,
                       1);
    std::vector<std::size_t> turns;
    while (const auto next = window.next()) turns.push_back(1 + next->later.size());
    return turns;
  };
  EXPECT_THAT(turns(6), testing::ElementsAre(3, 3));
  EXPECT_THAT(turns(8), testing::ElementsAre(3, 3, 2));
  EXPECT_THAT(turns(1), testing::ElementsAre(1));
}

TEST(Generator, RefusesWhatCannotBeDrawn) {
  EXPECT_THROW(Generator({.rate = 0}), Error);
  EXPECT_THROW(Generator({.burstiness = -1}), Error);
  EXPECT_THROW(Generator({.prompt_tokens = 0}), Error);
  EXPECT_THROW(Generator({.turns = 0}), Error);
}

}  // namespace
}  // namespace troupe::runtime::lab
