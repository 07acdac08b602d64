#include "runtime/scheduling/recording/schedule_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/temporary_folder.hpp"

namespace troupe::runtime {
namespace {

using ::testing::HasSubstr;

struct ScheduleFileTest : testing::Test {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "schedule";

  // So many events, whose times count on from `first`.
  static std::string events(std::int64_t first, int count) {
    std::string bytes;
    for (int i = 0; i < count; ++i) bytes += packed_bytes(RecordedEvent{first + i, EpochBegan{7}});
    return bytes;
  }
  static std::string context(std::int64_t time) { return packed_bytes(RecordedEvent{time, CycleBegan{}}); }
  std::string bytes(const std::filesystem::path& file) const {
    std::ifstream in(file, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }
  static std::string error_of(const std::filesystem::path& file) {
    try {
      read_schedule(file);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  // Of all events, in order.
  static std::vector<std::int64_t> times(const RecordedSchedule& schedule) {
    std::vector<std::int64_t> times;
    for (const RecordedEvent& each : schedule.events) times.push_back(each.time);
    return times;
  }
  static std::vector<std::int64_t> from_to(std::int64_t first, std::int64_t end) {
    std::vector<std::int64_t> times;
    while (first < end) times.push_back(first++);
    return times;
  }
};

TEST_F(ScheduleFileTest, WhatIsWrittenIsRead) {
  {
    ScheduleFile file(path, {});
    file.append(events(0, 10), "");
    file.append(events(10, 5), "");
  }
  const RecordedSchedule schedule = read_schedule(path);
  EXPECT_EQ(times(schedule), from_to(0, 15));
  EXPECT_EQ(std::get<EpochBegan>(schedule.events[3].what).epoch, 7u);
  EXPECT_TRUE(schedule.from_the_start);
  EXPECT_EQ(schedule.cut, "");
}

TEST_F(ScheduleFileTest, FullFilesMoveOnAndTheOldestGoes) {
  constexpr std::size_t bytes = 600;  // room for one of the chunks
  ScheduleFile file(path, {.bytes = bytes, .files = 3});
  const auto append = [&](std::int64_t first) { file.append(events(first, 100), context(first)); };
  append(0);
  append(100);
  append(200);
  EXPECT_EQ(times(read_schedule(path)), from_to(0, 300)) << "of three files";
  EXPECT_TRUE(read_schedule(path).from_the_start);
  append(300);
  const RecordedSchedule rest = read_schedule(path);
  EXPECT_FALSE(rest.from_the_start);
  ASSERT_TRUE(std::holds_alternative<CycleBegan>(rest.events.at(0).what))
      << "the context of those that are left";
  auto expected = from_to(100, 400);
  expected.insert(expected.begin(), 100);
  EXPECT_EQ(times(rest), expected);
  EXPECT_FALSE(exists(folder.path() / "schedule.3"));
  for (const auto& each : std::filesystem::directory_iterator(folder.path()))
    EXPECT_LE(file_size(each.path()), bytes) << each.path();
}

TEST_F(ScheduleFileTest, AnotherRecordingBeforeItIsKeptAndNotMixedUp) {
  ScheduleFile(path, {}).append(events(0, 3), "");
  ScheduleFile(path, {}).append(events(10, 2), "");
  EXPECT_EQ(times(read_schedule(path)), from_to(10, 12));
  EXPECT_EQ(times(read_schedule(path.string() + ".1")), from_to(0, 3));
}

TEST_F(ScheduleFileTest, AFileThatIsNoRecordingIsNotMoved) {
  folder.write("schedule", "somebody's only copy");
  EXPECT_THROW(ScheduleFile(path, {}), Error);
  EXPECT_EQ(bytes(path), "somebody's only copy");
  EXPECT_THROW(ScheduleFile(folder.path() / "no" / "folder", {}), Error);
}

TEST_F(ScheduleFileTest, IsReadUpToWhereItIsCut) {
  ScheduleFile(path, {}).append(events(0, 10), "");
  const std::size_t whole = bytes(path).size();
  {
    ScheduleFile file(path, {});
    file.append(events(0, 10), "");
    file.append(events(10, 10), "");
  }
  const std::string all = bytes(path);
  for (std::size_t end = 0; end < all.size(); ++end) {
    const auto cut = folder.write("cut", std::string_view(all).substr(0, end));
    const std::string error = error_of(cut);
    if (!error.empty()) {
      EXPECT_THAT(error, HasSubstr("holds no recorded schedule"));
      EXPECT_LT(end, 60u) << "without its header it is none";
      continue;
    }
    const RecordedSchedule schedule = read_schedule(cut);
    EXPECT_EQ(times(schedule), from_to(0, end < whole ? 0 : 10)) << end;
    if (!schedule.cut.empty()) {
      EXPECT_THAT(schedule.cut, HasSubstr("cut: is cut off at byte "));
    }
  }
}

// Whatever byte is another one: an error that says where, or what is before it, and never something else.
TEST_F(ScheduleFileTest, DamageIsFound) {
  {
    ScheduleFile file(path, {});
    file.append(events(0, 10), "");
    file.append(events(10, 10), "");
  }
  const std::string all = bytes(path);
  int damaged = 0;
  for (std::size_t at = 0; at < all.size(); ++at) {
    std::string changed = all;
    changed[at] = char(changed[at] ^ 0x55);
    const auto file = folder.write("changed", changed);
    const std::string error = error_of(file);
    if (!error.empty()) {
      EXPECT_TRUE(error.find("is damaged at byte ") != error.npos ||
                  error.find("holds no recorded schedule") != error.npos)
          << error;
      ++damaged;
      continue;
    }
    const RecordedSchedule read = read_schedule(file);
    auto found = times(read);
    if (!read.from_the_start && !found.empty()) continue;  // the part's number is another
    EXPECT_TRUE(found == from_to(0, 20) ||
                (!read.cut.empty() && found == from_to(0, std::int64_t(found.size()))))
        << at;
  }
  EXPECT_GT(damaged, int(all.size()) / 2);
}

TEST_F(ScheduleFileTest, APartThatIsCutBeforeOthersIsAnError) {
  ScheduleFile file(path, {.bytes = 1000, .files = 3});
  for (int i = 0; i < 3; ++i) file.append(events(i * 100, 100), context(0));
  const std::string before = bytes(folder.path() / "schedule.1");
  folder.write("schedule.1", std::string_view(before).substr(0, before.size() - 1));
  EXPECT_THAT(error_of(path), HasSubstr("schedule.1: is cut off at byte"));
}

TEST_F(ScheduleFileTest, WhatIsNoneIsRefused) {
  EXPECT_THAT(error_of(folder.path() / "absent"), HasSubstr("absent: cannot be read"));
  EXPECT_THAT(error_of(folder.path()), HasSubstr("cannot be read"));
  EXPECT_THAT(error_of(folder.write("text", "no such thing as a schedule, though it is long enough for one")),
              HasSubstr("holds no recorded schedule; troupe serve --record-schedule writes them"));
  EXPECT_THAT(error_of(folder.write("empty", "")), HasSubstr("holds no recorded schedule"));
}

}  // namespace
}  // namespace troupe::runtime
