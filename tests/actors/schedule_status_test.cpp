#include "actors/schedule_status.hpp"

#include <gtest/gtest.h>

namespace troupe::actors {
namespace {

using std::chrono::seconds;

TEST(ScheduleStatus, TellsForHowLongThereWasNoStepThoughThereIsWork) {
  ScheduleStatus status;
  const auto at = [](int second) { return TimePoint{} + seconds(second); };
  const auto show = [&](int second, std::uint64_t steps, std::int32_t running, std::int32_t waiting,
                        std::int32_t resting) {
    runtime::SchedulerStats stats;
    stats.steps = steps;
    stats.running = running;
    stats.waiting = waiting;
    stats.resting = resting;
    status.stats(stats, at(second));
  };
  EXPECT_EQ(status.still(at(100)), seconds(0));
  show(100, 7, 0, 0, 0);
  EXPECT_EQ(status.still(at(200)), seconds(0)) << "there is nothing to do";
  show(300, 7, 0, 1, 0);
  EXPECT_EQ(status.still(at(302)), seconds(2));
  show(303, 7, 0, 2, 0);  // who comes is no step
  EXPECT_EQ(status.still(at(305)), seconds(5));
  show(306, 8, 2, 0, 0);
  EXPECT_EQ(status.still(at(307)), seconds(1));
  show(308, 8, 2, 0, 2);
  EXPECT_EQ(status.still(at(400)), seconds(0)) << "all are paused by their readers";
  show(401, 8, 2, 0, 1);
  EXPECT_EQ(status.still(at(403)), seconds(2));
  status.begin({}, {"fcfs"}, "");  // another scheduler
  EXPECT_EQ(status.still(at(500)), seconds(0));
}

}  // namespace
}  // namespace troupe::actors
