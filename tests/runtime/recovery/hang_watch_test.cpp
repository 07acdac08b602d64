#include "runtime/recovery/hang_watch.hpp"

#include <unistd.h>

#include <gmock/gmock.h>
#include <rapidcheck.h>

namespace troupe::runtime {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::Ge;
using testing::Le;
using testing::Optional;
using State = ProcessSample::State;

constexpr milliseconds limit{400}, interval{20};
const auto told_in_time = AllOf(Ge(limit), Le(limit + limit / 8));

// A process that has been at the same thing since it was first looked at, and what the watch makes of it.
class Watched {
 public:
  Watched(Activity activity, State state, double cpus = 0) : state_(state), cpus_(cpus) {
    tick.activity = activity;
    tick.count = 1;
    look();
  }

  std::optional<Hang> look() {
    return watch_.look(now, tick, [&]() -> std::optional<ProcessSample> {
      ++samples;
      if (gone) return std::nullopt;
      return ProcessSample{state_, cpu_};
    });
  }
  std::optional<Hang> pass(milliseconds time = interval) {
    now += time;
    cpu_ += std::chrono::duration_cast<Duration>(time * cpus_);
    return look();
  }
  // How long until the watch says so; empty: not within `patience`.
  std::optional<milliseconds> time_to(Hang hang, milliseconds patience = std::chrono::seconds(60)) {
    for (milliseconds passed{}; passed < patience;) {
      const auto told = pass();
      passed += interval;
      if (!told) continue;
      EXPECT_EQ(to_string(*told), std::string(to_string(hang)));
      return passed;
    }
    return std::nullopt;
  }
  bool never() { return !time_to(Hang::asleep); }

  Duration waited() const { return watch_.waited(); }

  static constexpr TimePoint start{std::chrono::hours(5)};
  TimePoint now = start;
  Tick tick;
  int samples = 0;
  bool gone = false;

 private:
  State state_;
  double cpus_;
  Duration cpu_{};
  HangWatch watch_{limit};
};

TEST(HangWatch, WhatIsStoppedHangsWhateverItWasAt) {
  for (const Activity at :
       {Activity::idle, Activity::loading, Activity::joining, Activity::computing, Activity::collective})
    EXPECT_THAT(Watched(at, State::stopped).time_to(Hang::stopped), Optional(told_in_time)) << to_string(at);
}

TEST(HangWatch, WorkThatDoesNotMoveHangs) {
  for (const Activity at : {Activity::loading, Activity::computing}) {
    EXPECT_THAT(Watched(at, State::sleeping).time_to(Hang::asleep), Optional(told_in_time));
    EXPECT_THAT(Watched(at, State::runnable, 1).time_to(Hang::busy), Optional(told_in_time));
    EXPECT_THAT(Watched(at, State::runnable, 16).time_to(Hang::busy), Optional(told_in_time))
        << "many threads count once";
  }
}

TEST(HangWatch, WaitingForOthersIsNoHang) {
  for (const Activity at : {Activity::idle, Activity::joining, Activity::collective})
    for (const State state : {State::sleeping, State::runnable, State::disk})
      EXPECT_TRUE(Watched(at, state, 1).never());
}

TEST(HangWatch, WantingADiskIsNoHang) {
  EXPECT_TRUE(Watched(Activity::loading, State::disk).never());
  EXPECT_TRUE(Watched(Activity::computing, State::disk).never());
}

TEST(HangWatch, WantingACpuIsNoHang) {
  EXPECT_TRUE(Watched(Activity::computing, State::runnable, 0).never());
  const auto starved = Watched(Activity::computing, State::runnable, 0.1).time_to(Hang::busy);
  ASSERT_TRUE(starved);
  EXPECT_GT(*starved, 7 * limit) << "only what it got is held against it";
}

TEST(HangWatch, ATickBeginsAnew) {
  Watched slow(Activity::computing, State::runnable, 1);
  for (int piece = 0; piece < 10; ++piece) {
    EXPECT_FALSE(slow.time_to(Hang::busy, limit - interval));
    ++slow.tick.count;
    EXPECT_FALSE(slow.pass());
  }
  EXPECT_THAT(slow.time_to(Hang::busy), Optional(told_in_time));
}

TEST(HangWatch, TellsAgainAfterEachFurtherLimit) {
  Watched stopped(Activity::idle, State::stopped);
  for (int i = 0; i < 5; ++i) EXPECT_THAT(stopped.time_to(Hang::stopped), Optional(told_in_time));
}

TEST(HangWatch, LeavesThoseThatMoveAlone) {
  Watched steady(Activity::computing, State::runnable, 1);
  for (int i = 0; i < 100; ++i) {
    ++steady.tick.count;
    EXPECT_FALSE(steady.pass());
  }
  EXPECT_EQ(steady.samples, 0) << "the kernel is asked about the silent only";
  Watched ended(Activity::computing, State::sleeping);
  ended.gone = true;
  EXPECT_TRUE(ended.never());
}

TEST(HangWatch, AWatchThatGotNoCpuDoesNotHoldThatAgainstOthers) {
  Watched late(Activity::computing, State::runnable, 1);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(late.pass(std::chrono::seconds(60)));
}

TEST(HangWatch, WaitingIsCountedUntilTheNextTick) {
  Watched waiting(Activity::collective, State::sleeping);
  while (waiting.now < Watched::start + limit) EXPECT_FALSE(waiting.pass());
  EXPECT_THAT(waiting.waited(), AllOf(Ge(limit - limit / 8), Le(limit)));
  ++waiting.tick.count;
  waiting.pass();
  EXPECT_EQ(waiting.waited(), Duration{});
  Watched starved(Activity::collective, State::runnable);
  while (starved.now < Watched::start + limit) EXPECT_FALSE(starved.pass());
  EXPECT_LE(starved.waited(), limit / 4) << "it could not have moved, but for what was before the first look";
}

// A thread that waits for its GPU never sleeps.
TEST(HangWatch, AskingADeviceThatIsInACollectiveIsWaiting) {
  Watched asking(Activity::collective, State::runnable, 1);
  while (asking.now < Watched::start + 2 * limit) EXPECT_FALSE(asking.pass());
  EXPECT_THAT(asking.waited(), AllOf(Ge(2 * limit - limit / 8), Le(2 * limit)));
  Watched joining(Activity::joining, State::runnable, 1);
  while (joining.now < Watched::start + limit) EXPECT_FALSE(joining.pass());
  EXPECT_EQ(joining.waited(), Duration{}) << "it works on its own";
}

TEST(HangWatch, ADeviceHasItsTimeToStart) {
  for (const State state : {State::runnable, State::sleeping}) {
    Watched starting(Activity::starting, state, 1);
    const auto told =
        starting.time_to(state == State::runnable ? Hang::busy : Hang::asleep, std::chrono::minutes(3));
    EXPECT_THAT(told, Optional(AllOf(Ge(longest_start), Le(longest_start + limit))));
  }
}

TEST(HangWatch, SilenceIsCountedFromTheLastTick) {
  HangWatch watch(limit);
  const TimePoint start{std::chrono::hours(5)};
  const auto none = [] { return std::nullopt; };
  EXPECT_EQ(watch.silence(start), Duration{});
  watch.look(start, {}, none);
  watch.look(start + milliseconds(50), {}, none);
  EXPECT_EQ(watch.silence(start + milliseconds(50)), milliseconds(50));
  Tick moved;
  moved.count = 1;
  watch.look(start + milliseconds(70), moved, none);
  EXPECT_EQ(watch.silence(start + milliseconds(70)), Duration{});
}

TEST(HangWatch, NothingHangsBeforeTheLimit) {
  EXPECT_TRUE(rc::check("whatever happens", [] {
    HangWatch watch(limit);
    TimePoint now{std::chrono::hours(1)}, moved = now;
    Tick tick;
    Duration cpu{};
    for (const int each : *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 1 << 16))) {
      const milliseconds passed(each % 250);
      now += passed;
      cpu += passed * (each >> 8 & 3);
      tick.activity = Activity((each >> 10 & 3) + (each & 2));
      if ((each >> 12 & 7) == 0) {
        ++tick.count;
        moved = now;
      }
      const auto hang = watch.look(now, tick, [&] { return ProcessSample{State(each >> 14 & 3), cpu}; });
      RC_ASSERT(!hang || now - moved >= limit);
    }
  }));
}

TEST(HangWatch, AProcessIsStoppedWhenAllItsThreadsAre) {
  for (const char* stopped : {"T", "TTT", "t", "tT", "ZT", "TX"})
    EXPECT_EQ(state_of_threads(stopped), State::stopped) << stopped;
  for (const char* sleeping : {"S", "TS", "SSt", "TI", "Z", ""})
    EXPECT_EQ(state_of_threads(sleeping), State::sleeping) << sleeping;
  for (const char* waits : {"D", "TD", "SDt"}) EXPECT_EQ(state_of_threads(waits), State::disk) << waits;
  for (const char* runs : {"R", "TR", "DtR"}) EXPECT_EQ(state_of_threads(runs), State::runnable) << runs;
}

TEST(HangWatch, SamplesThisProcess) {
  const auto sample = sample_process(getpid());
  ASSERT_TRUE(sample);
  EXPECT_EQ(sample->state, State::runnable) << "it is asking";
  EXPECT_GT(sample->cpu, Duration{});
  EXPECT_FALSE(sample_process(1 << 30));
}

RankTick at(std::int32_t rank, Epoch epoch, StepId step, std::uint32_t collectives,
            Activity activity = Activity::collective) {
  RankTick made{rank, {}};
  made.tick.epoch = epoch;
  made.tick.step = step;
  made.tick.collectives = collectives;
  made.tick.activity = activity;
  return made;
}

std::optional<std::int32_t> culprit(std::vector<RankTick> ranks) {
  return find_culprit(ranks);
}

TEST(FindCulprit, IsTheRankFurthestBehind) {
  EXPECT_EQ(culprit({at(0, 2, 7, 5), at(1, 2, 7, 4), at(2, 2, 7, 5)}), 1);
  EXPECT_EQ(culprit({at(0, 2, 7, 5), at(1, 2, 6, 40), at(2, 2, 7, 1)}), 1);
  EXPECT_EQ(culprit({at(0, 3, 1, 1), at(1, 3, 1, 1), at(2, 2, 90, 9)}), 2);
  EXPECT_EQ(culprit({at(0, 2, 7, 5), at(1, 2, 7, 5, Activity::computing)}), 1) << "out of the collective";
  EXPECT_EQ(culprit({at(0, 2, 7, 5), at(1, 0, 0, 0, Activity::idle)}), 1) << "never began";
}

TEST(FindCulprit, IsNobodyWhenAllWaitInTheSamePlace) {
  EXPECT_EQ(culprit({at(0, 2, 7, 5), at(1, 2, 7, 5)}), std::nullopt);
  EXPECT_EQ(culprit({at(0, 2, 7, 5)}), std::nullopt);
  EXPECT_EQ(culprit({}), std::nullopt);
}

TEST(FindCulprit, IsOneOfThoseThatAreEquallyBehind) {
  const auto found = culprit({at(0, 2, 7, 6), at(1, 2, 7, 5), at(2, 2, 7, 5), at(3, 2, 7, 6)});
  EXPECT_TRUE(found == 1 || found == 2);
}

}  // namespace
}  // namespace troupe::runtime
