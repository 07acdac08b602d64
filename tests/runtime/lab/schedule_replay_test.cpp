#include "runtime/lab/schedule_replay.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/runtime/lab/recorded_life.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::runtime::lab {
namespace {

using ::testing::HasSubstr;

struct ScheduleReplayTest : testing::TestWithParam<std::string> {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "schedule";

  struct Played {
    std::string plans;
    ServiceReport report;
  };
  static Played play(const RecordedSchedule& schedule) {
    ScheduleReplay replay(schedule);
    Played played;
    replay.on_step = [&](const std::string& plans) { played.plans += plans; };
    played.report = replay.run();
    return played;
  }
  // Its plans, as they were made.
  std::string record(const std::string& policy, std::uint32_t seed, int events, std::int32_t groups) {
    ScheduleRecorder recorder(path, {});
    RecordedLife life(recorder, policy, seed, groups);
    life.run(events);
    finished += life.finished;
    preempted += life.preempted;
    accidents += life.deaths + life.faults;
    late += life.late;
    EXPECT_FALSE(recorder.ended());
    return life.plans();
  }
  static std::string error_of(const RecordedSchedule& schedule) {
    try {
      play(schedule);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  std::uint64_t finished = 0, preempted = 0, accidents = 0, late = 0;
};

TEST_P(ScheduleReplayTest, PlansTheBytesThatWerePlanned) {
  for (std::uint32_t seed = 0; seed < 12; ++seed) {
    const std::string planned = record(GetParam(), seed, 3000, 1 << seed % 3);
    const auto schedule = read_schedule(path);
    const Played played = play(schedule);
    EXPECT_EQ(played.plans, planned) << "seed " << seed;
    EXPECT_EQ(played.report.served, finished);
    finished = 0;
  }
  EXPECT_GT(preempted, 100u);
  EXPECT_GT(accidents, 10u);
  EXPECT_GT(late, 10u);
}
INSTANTIATE_TEST_SUITE_P(All, ScheduleReplayTest, ::testing::ValuesIn(policy_names()),
                         [](const auto& info) { return info.param; });

TEST_F(ScheduleReplayTest, ACutRecordingIsPlayedUpToThere) {
  const std::string planned = record("decode_first", 3, 2000, 2);
  RecordedSchedule schedule = read_schedule(path);
  for (; !schedule.events.empty(); schedule.events.resize(schedule.events.size() * 9 / 10)) {
    const std::string plans = play(schedule).plans;
    EXPECT_EQ(planned.substr(0, plans.size()), plans);
  }
}

// Whatever is left out, twice there or another number: an error, or a schedule that is possible.
TEST_F(ScheduleReplayTest, WhatCannotHaveBeenIsAnError) {
  record("vtc", 5, 120, 2);
  const RecordedSchedule schedule = read_schedule(path);
  int errors = 0;
  for (std::size_t at = 0; at < schedule.events.size(); ++at) {
    RecordedSchedule without = schedule, twice = schedule;
    without.events.erase(without.events.begin() + std::ptrdiff_t(at));
    twice.events.insert(twice.events.begin() + std::ptrdiff_t(at), schedule.events[at]);
    errors += !error_of(without).empty();
    errors += !error_of(twice).empty();
  }
  EXPECT_GT(errors, int(schedule.events.size()) / 2);
}

TEST_F(ScheduleReplayTest, TellsTheFirstStepThatIsAnother) {
  record("fcfs", 1, 1000, 1);
  RecordedSchedule schedule = read_schedule(path);
  int step = 0;
  for (RecordedEvent& event : schedule.events)
    if (auto* recorded = std::get_if<RecordedStep>(&event.what); recorded && ++step == 9) {
      ++recorded->plans.at(0).predictions;
      break;
    }
  EXPECT_THAT(error_of(schedule), HasSubstr("step 9 of the recorded schedule, event "));
}

TEST_F(ScheduleReplayTest, LimitsThatCannotBeAreRefused) {
  for (const auto& spoil : {+[](CycleBegan& began) { began.limits.block_size = 0; },
                            +[](CycleBegan& began) { began.limits.max_num_seqs = -1; },
                            +[](CycleBegan& began) { began.groups = 1 << 30; },
                            +[](CycleBegan& began) { began.policy.name = "lottery"; },
                            +[](CycleBegan& began) { began.policy.options = {"a=b"}; }}) {
    CycleBegan began;
    began.limits.max_model_len = 64;
    began.policy = {"fcfs"};
    RecordedSchedule schedule;
    schedule.events.push_back({0, began});
    EXPECT_EQ(error_of(schedule), "");
    spoil(std::get<CycleBegan>(schedule.events[0].what));
    EXPECT_NE(error_of(schedule), "");
  }
  RecordedSchedule nothing;
  nothing.events.push_back({0, EpochBegan{1}});
  EXPECT_THAT(error_of(nothing), HasSubstr("nothing has begun yet"));
}

}  // namespace
}  // namespace troupe::runtime::lab
