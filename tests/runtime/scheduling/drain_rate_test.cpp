#include "runtime/scheduling/drain_rate.hpp"

#include <gtest/gtest.h>

namespace troupe::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct DrainRateTest : testing::Test {
  // A step so much later, for which so many tokens left the queue.
  void step(milliseconds later, std::int64_t tokens, bool backed_up = true) {
    rate.planned(now += later, tokens, backed_up);
  }
  double seconds_for(std::int64_t tokens) const {
    return std::chrono::duration<double>(rate.time_for(tokens).value()).count();
  }

  static double milliseconds_of(Duration time) {
    return std::chrono::duration<double, std::milli>(time).count();
  }

  TimePoint now{};
  DrainRate rate;
};

TEST_F(DrainRateTest, IsUnknownUntilAQueueWasBackedUpForAWhile) {
  EXPECT_EQ(rate.time_for(0), Duration{});
  for (int i = 0; i < 100; ++i) step(milliseconds(100), 50, false);
  EXPECT_FALSE(rate.time_for(1)) << "nobody had to wait";
  step(milliseconds(100), 50);
  for (int i = 0; i < 5; ++i) step(milliseconds(99), 50);
  EXPECT_FALSE(rate.time_for(1)) << "too short to tell";
  step(milliseconds(99), 50);
  EXPECT_TRUE(rate.time_for(1));
}

TEST_F(DrainRateTest, IsWhatLeftOverTheTimeInWhichOthersWaited) {
  step(milliseconds(0), 1000);  // those did not wait for this one
  for (int i = 0; i < 20; ++i) step(milliseconds(100), 50);
  EXPECT_NEAR(seconds_for(1000), 2, 1e-6);
  step(milliseconds(100), 50, false);
  step(seconds(100), 0);  // an empty queue is none that stands still
  EXPECT_NEAR(seconds_for(1000), 2, 1e-6);
}

TEST_F(DrainRateTest, FollowsChanges) {
  step(milliseconds(0), 0);
  for (int i = 0; i < 100; ++i) step(milliseconds(100), 50);
  for (int i = 0; i < 600; ++i) step(milliseconds(100), 10);
  EXPECT_NEAR(seconds_for(1000), 10, 0.5);
}

TEST_F(DrainRateTest, HeedsASlowerPaceSoonerThanAFasterOne) {
  step(milliseconds(0), 0);
  for (int i = 0; i < 200; ++i) step(milliseconds(100), 50);
  for (int i = 0; i < 30; ++i) step(milliseconds(100), 10);
  EXPECT_NEAR(seconds_for(1000), 4.1, 0.1) << "of 2 s, then 10 s";
  for (int i = 0; i < 200; ++i) step(milliseconds(100), 10);
  EXPECT_NEAR(seconds_for(1000), 10, 0.1);
  for (int i = 0; i < 30; ++i) step(milliseconds(100), 50);
  EXPECT_NEAR(seconds_for(1000), 4.35, 0.1);
}

TEST_F(DrainRateTest, APauseIsNoSlowQueue) {
  step(milliseconds(0), 0);
  for (int i = 0; i < 20; ++i) step(milliseconds(100), 50);
  rate.paused();
  step(seconds(60), 50);
  EXPECT_NEAR(seconds_for(1000), 2, 1e-6);
}

TEST_F(DrainRateTest, ATokenComesAfterATenthMoreAndAStepAsLongAsTheLongestOfLate) {
  EXPECT_EQ(rate.time_to_token_behind(0), Duration{});
  EXPECT_FALSE(rate.time_to_token_behind(1));
  const auto lead = [&] { return *rate.time_to_token_behind(1000) - *rate.time_for(1000) * 11 / 10; };
  step(milliseconds(0), 0);
  for (int i = 0; i < 20; ++i) step(milliseconds(100), 50);
  EXPECT_NEAR(milliseconds_of(lead()), 100, 0.1);
  step(milliseconds(400), 50);
  EXPECT_NEAR(milliseconds_of(lead()), 400, 0.1);
  for (int i = 0; i < 100; ++i) step(milliseconds(100), 50);
  EXPECT_NEAR(milliseconds_of(lead()), 200, 0.1) << "10 s later";
  EXPECT_EQ(rate.time_to_token_behind(0), Duration{}) << "who need not wait may be the first to know";
}

TEST_F(DrainRateTest, AStepTakesAsLongAsTheLongestOfLateWhileOthersWait) {
  EXPECT_FALSE(rate.step_time());
  step(milliseconds(0), 0);
  step(milliseconds(400), 50);
  step(milliseconds(100), 50);
  EXPECT_NEAR(milliseconds_of(rate.step_time().value()), 397, 1);
  step(milliseconds(100), 50, false);
  EXPECT_FALSE(rate.step_time()) << "nobody has to wait";
  step(seconds(100), 50);  // idle time is no step
  EXPECT_LT(milliseconds_of(rate.step_time().value()), 1) << "long ago";
}

TEST_F(DrainRateTest, HasALongestTime) {
  step(milliseconds(0), 0);
  step(seconds(1), 0);
  EXPECT_EQ(rate.time_for(1), DrainRate::longest) << "nothing leaves";
  step(seconds(1), 1);
  EXPECT_EQ(rate.time_for(1'000'000), DrainRate::longest);
  EXPECT_EQ(rate.time_to_token_behind(1'000'000), DrainRate::longest);
}

}  // namespace
}  // namespace troupe::runtime
