#include "runtime/scheduling/recording/schedule_recorder.hpp"

#include <gtest/gtest.h>

#include "tests/temporary_folder.hpp"

namespace troupe::runtime {
namespace {

struct ScheduleRecorderTest : testing::Test {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "schedule";
  const TimePoint begin = TimePoint() + std::chrono::hours(1);

  void tell(ScheduleRecorder& recorder, int first, int end) const {
    for (int i = first; i < end; ++i)
      recorder.heard(SequenceTold{SequenceId(i), SequenceNews::pause}, begin + std::chrono::microseconds(i));
  }
};

TEST_F(ScheduleRecorderTest, WritesEverythingInItsOrder) {
  constexpr int events = 20'000;
  {
    ScheduleRecorder recorder(path, {});
    recorder.heard(CycleBegan{}, begin);
    tell(recorder, 1, events);
  }
  const RecordedSchedule schedule = read_schedule(path);
  ASSERT_EQ(schedule.events.size(), std::size_t(events));
  for (int i = 1; i < events; ++i) {
    EXPECT_EQ(std::get<SequenceTold>(schedule.events[std::size_t(i)].what).sequence, SequenceId(i));
    EXPECT_EQ(schedule.events[std::size_t(i)].time, i * 1000);
  }
}

TEST_F(ScheduleRecorderTest, MoreThanCanWaitEndsTheRecording) {
  {
    ScheduleRecorder recorder(path, {}, 0);
    EXPECT_FALSE(recorder.ended());
    tell(recorder, 0, 1);
    EXPECT_TRUE(recorder.ended());
    tell(recorder, 1, 10);
  }
  EXPECT_TRUE(read_schedule(path).events.empty());
}

// Whether or not its thread could keep up.
TEST_F(ScheduleRecorderTest, WhatIsWrittenIsTheBeginningOfWhatHappened) {
  {
    ScheduleRecorder recorder(path, {}, 2);
    tell(recorder, 0, 20'000);
  }
  const RecordedSchedule schedule = read_schedule(path);
  EXPECT_EQ(schedule.cut, "");
  for (std::size_t i = 0; i < schedule.events.size(); ++i)
    EXPECT_EQ(std::get<SequenceTold>(schedule.events[i].what).sequence, SequenceId(i));
}

TEST_F(ScheduleRecorderTest, AFolderThatIsGoneEndsTheRecordingAlone) {
  const auto gone = folder.path() / "gone";
  create_directory(gone);
  ScheduleRecorder recorder(gone / "schedule", {.bytes = 1 << 16, .files = 2});
  remove_all(gone);
  for (int i = 0; !recorder.ended(); i += 1000) tell(recorder, i, i + 1000);
}

TEST_F(ScheduleRecorderTest, AFileThatCannotBeMadeIsAnErrorAtOnce) {
  EXPECT_THROW(ScheduleRecorder(folder.path() / "no" / "schedule", {}), Error);
}

}  // namespace
}  // namespace troupe::runtime
