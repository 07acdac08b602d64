#include "runtime/base/wakeups.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace troupe {
namespace {

// In threads of their own, which leave the others of this process alone.
TEST(Wakeups, ThreadsThatAreStartedLaterFollow) {
  int own = -1, started = -1;
  std::thread([&] {
    let_the_waking_thread_go_on();
    own = sched_getscheduler(0);
    std::thread([&] { started = sched_getscheduler(0); }).join();
  }).join();
  EXPECT_EQ(own, SCHED_BATCH);
  EXPECT_EQ(started, SCHED_BATCH);
  EXPECT_EQ(sched_getscheduler(0), SCHED_OTHER);
}

TEST(Wakeups, AClassThatWasChosenStays) {
  int own = -1;
  std::thread([&] {
    constexpr sched_param no_priority{};
    ASSERT_EQ(sched_setscheduler(0, SCHED_IDLE, &no_priority), 0);
    let_the_waking_thread_go_on();
    own = sched_getscheduler(0);
  }).join();
  EXPECT_EQ(own, SCHED_IDLE);
}

}  // namespace
}  // namespace troupe
