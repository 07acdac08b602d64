#include "runtime/base/wakeups.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace troupe {
namespace {

// In threads of their own, which leave the others of this process alone.
TEST(Wakeups, ThreadsThatAreStartedLaterFollow) {
  int own = -1, started = -1, again = -1;
  std::thread([&] {
    wait_for_an_idle_core();
    own = sched_getscheduler(0);
    std::thread([&] { started = sched_getscheduler(0); }).join();
    take_a_core_when_woken();
    again = sched_getscheduler(0);
  }).join();
  EXPECT_EQ(own, SCHED_BATCH);
  EXPECT_EQ(started, SCHED_BATCH);
  EXPECT_EQ(again, SCHED_OTHER);
  EXPECT_EQ(sched_getscheduler(0), SCHED_OTHER);
}

TEST(Wakeups, AClassThatWasChosenStays) {
  int first = -1, second = -1;
  std::thread([&] {
    constexpr sched_param no_priority{};
    ASSERT_EQ(sched_setscheduler(0, SCHED_IDLE, &no_priority), 0);
    wait_for_an_idle_core();
    first = sched_getscheduler(0);
    take_a_core_when_woken();
    second = sched_getscheduler(0);
  }).join();
  EXPECT_EQ(first, SCHED_IDLE);
  EXPECT_EQ(second, SCHED_IDLE);
}

}  // namespace
}  // namespace troupe
