#include "runtime/recovery/stall_watch.hpp"

#include <gtest/gtest.h>

#include "runtime/recovery/hang_watch.hpp"

namespace troupe::runtime {
namespace {

using std::chrono::milliseconds;

constexpr Epoch epoch = 3;

class StallWatchTest : public ::testing::Test {
 protected:
  StallWatchTest() {
    for (std::int32_t rank = 0; rank < 2; ++rank) waits(rank, milliseconds(400), 5);
  }
  void waits(std::int32_t rank, Duration since, std::uint32_t collectives) {
    Heard& heard = ranks[std::size_t(rank)];
    heard.at = now;
    heard.seen.life = {rank, 1};
    heard.seen.silence = heard.seen.waited = since;
    heard.seen.tick.epoch = epoch;
    heard.seen.tick.collectives = collectives;
    heard.seen.tick.activity = Activity::collective;
  }
  std::optional<StallWatch::Stall> look() { return watch.look(now, epoch, {&ranks[0], &ranks[1]}); }

  TimePoint now = TimePoint{} + std::chrono::hours(1);
  StallWatch watch{milliseconds(400)};
  std::array<Heard, 2> ranks;
};

TEST_F(StallWatchTest, ARankThatMayMoveExcusesAll) {
  waits(1, milliseconds(399), 5);
  EXPECT_FALSE(look());
  waits(1, milliseconds(400), 5);
  ranks[1].seen.tick.activity = Activity::computing;
  EXPECT_FALSE(look());
  waits(1, milliseconds(400), 5);
  ranks[1].seen.tick.epoch = epoch - 1;
  EXPECT_FALSE(look());
  ranks[1].seen.tick.epoch = epoch;
  EXPECT_TRUE(look());
}

TEST_F(StallWatchTest, NobodyWhoHasNothingToDoStalls) {
  for (Heard& rank : ranks) rank.seen.tick.activity = Activity::idle;
  EXPECT_FALSE(look());
}

TEST_F(StallWatchTest, TheOneBehindIsTheCulpritAndTheSecondTimeInARowItSaysSo) {
  waits(0, milliseconds(500), 4);
  auto stall = look();
  ASSERT_TRUE(stall);
  EXPECT_EQ(stall->culprit, 0);
  EXPECT_FALSE(stall->again);
  EXPECT_EQ(stall->still, milliseconds(400));
  EXPECT_FALSE(look()) << "it has twice as long now";
  waits(0, milliseconds(800), 4);
  waits(1, milliseconds(800), 5);
  stall = look();
  ASSERT_TRUE(stall);
  EXPECT_EQ(stall->culprit, 0);
  EXPECT_TRUE(stall->again);
}

TEST_F(StallWatchTest, AnotherThatIsBehindIsSoForTheFirstTime) {
  const auto stalls = [&](Duration since, std::uint32_t of_rank_0, std::uint32_t of_rank_1) {
    waits(0, since, of_rank_0);
    waits(1, since, of_rank_1);
    return look().value();
  };
  EXPECT_FALSE(stalls(milliseconds(400), 5, 5).again) << "nobody is behind";
  EXPECT_FALSE(stalls(milliseconds(800), 4, 5).again);
  const StallWatch::Stall other = stalls(milliseconds(1600), 5, 4);
  EXPECT_EQ(other.culprit, 1);
  EXPECT_FALSE(other.again);
  EXPECT_TRUE(stalls(milliseconds(3200), 5, 4).again);
  now += std::chrono::minutes(1);
  EXPECT_FALSE(stalls(milliseconds(400), 5, 4).again) << "after a calm time";
}

TEST_F(StallWatchTest, EquallyFarRanksHaveNoCulprit) {
  const auto stall = look();
  ASSERT_TRUE(stall);
  EXPECT_FALSE(stall->culprit);
}

// Two ranks whose GPUs are in one and the same collective for ever, as their nodes see them.
TEST_F(StallWatchTest, RanksThatAskTheirDevicesAreFound) {
  HangWatch watches[] = {HangWatch(milliseconds(400)), HangWatch(milliseconds(400))};
  Duration cpu{};
  const TimePoint begun = now;
  std::optional<StallWatch::Stall> stall;
  while (!stall && now - begun < std::chrono::seconds(2)) {
    now += milliseconds(20);
    cpu += milliseconds(20);
    for (std::size_t rank = 0; rank < 2; ++rank) {
      Heard& heard = ranks[rank];
      EXPECT_FALSE(watches[rank].look(now, heard.seen.tick, [&] {
        return ProcessSample{ProcessSample::State::runnable, cpu};
      }));
      heard.at = now;
      heard.seen.silence = watches[rank].silence(now);
      heard.seen.waited = watches[rank].waited();
    }
    stall = look();
  }
  ASSERT_TRUE(stall);
  EXPECT_LT(now - begun, milliseconds(600));
}

TEST_F(StallWatchTest, WhatWasHeardLongAgoIsNoEvidence) {
  now += milliseconds(201);
  waits(1, milliseconds(400), 5);
  EXPECT_FALSE(look());
  EXPECT_EQ(watch.waited(now, ranks[0]), Duration{});
}

}  // namespace
}  // namespace troupe::runtime
