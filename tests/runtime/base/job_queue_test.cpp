#include "runtime/base/job_queue.hpp"

#include <gtest/gtest.h>

#include <future>
#include <latch>
#include <thread>

namespace troupe {
namespace {

TEST(JobQueue, JobsBeginInTheOrderInWhichTheyCame) {
  std::vector<int> begun;
  std::latch done(50);
  JobQueue queue(1, 100);
  std::vector<JobQueue::Ticket> tickets;
  for (int i = 0; i < 50; ++i)
    tickets.push_back(queue
                          .add([&, i] {
                            begun.push_back(i);
                            done.count_down();
                          })
                          .value());
  done.wait();
  for (int i = 0; i < 50; ++i) EXPECT_EQ(begun[std::size_t(i)], i);
}

TEST(JobQueue, OneMoreThanTheLimitIsRefusedAndATicketGivenBackMakesRoom) {
  std::promise<void> open;
  std::latch entered(1), last(1);
  std::vector<int> ran;
  JobQueue queue(1, 3);
  const auto gate = queue.add([&, opened = open.get_future().share()] {
    entered.count_down();
    opened.wait();
  });
  entered.wait();
  const auto noting = [&](int number) { return [&ran, number] { ran.push_back(number); }; };
  std::optional first = queue.add(noting(1)), second = queue.add(noting(2)), third = queue.add(noting(3));
  EXPECT_FALSE(queue.add(noting(4)));
  second.reset();
  const auto fifth = queue.add([&] { last.count_down(); });
  ASSERT_TRUE(fifth);
  EXPECT_FALSE(queue.add(noting(6)));
  open.set_value();
  last.wait();
  EXPECT_EQ(ran, (std::vector<int>{1, 3}));
}

TEST(JobQueue, ACallerHasNoMoreThanItsShare) {
  using Full = JobQueue::Full;
  std::promise<void> open;
  std::latch entered(1);
  JobQueue queue(1, 4, 2);
  EXPECT_EQ(JobQueue(1, 4).share(), 4u);
  const auto gate = queue.add(
      [&, opened = open.get_future().share()] {
        entered.count_down();
        opened.wait();
      },
      1);
  entered.wait();  // what has begun waits no more
  std::optional first = queue.add([] {}, 1);
  ASSERT_TRUE(queue.post([] {}, 1));
  EXPECT_EQ(queue.add([] {}, 1).error(), Full::share);
  EXPECT_EQ(queue.post([] {}, 1).error(), Full::share);
  const auto other = queue.add([] {}, 2);
  ASSERT_TRUE(other);
  first.reset();  // its place is free again, for its caller too
  const auto again = queue.add([] {}, 1);
  ASSERT_TRUE(again);
  ASSERT_TRUE(queue.post([] {}, 3));
  EXPECT_EQ(queue.add([] {}, 4).error(), Full::queue);
  EXPECT_EQ(queue.add([] {}, 1).error(), Full::queue);  // whose is full, too
  open.set_value();
}

TEST(JobQueue, WhatHasBegunLeavesItsCallersShare) {
  JobQueue queue(1, 8, 1);
  for (int i = 0; i < 50; ++i) {
    std::latch done(1);
    ASSERT_TRUE(queue.post([&] { done.count_down(); }, 7)) << i;
    done.wait();
  }
}

TEST(JobQueue, AJobThatHasBegunIsNotTakenBackAndTheEndWaitsForIt) {
  bool done = false;
  {
    std::promise<void> open;
    std::latch entered(1);
    JobQueue queue(1, 1);
    std::optional running = queue.add([&, opened = open.get_future().share()] {
      entered.count_down();
      opened.wait();
      done = true;
    });
    entered.wait();
    running.reset();
    open.set_value();
  }
  EXPECT_TRUE(done);
}

TEST(JobQueue, TheEndWaitsForWhatHasNotBegun) {
  int ran = 0;
  std::promise<void> open;
  std::thread opens;
  {
    JobQueue queue(1, 3);
    ASSERT_TRUE(queue.post([opened = open.get_future().share()] { opened.wait(); }));
    ASSERT_TRUE(queue.post([&] { ++ran; }));
    ASSERT_TRUE(queue.post([&] { ++ran; }));
    opens = std::thread([&] { open.set_value(); });
  }
  opens.join();
  EXPECT_EQ(ran, 2);
}

TEST(JobQueue, ThreadsShareTheJobs) {
  std::latch both(2);  // each job waits for the other, so one thread alone would never come to an end
  JobQueue queue(2, 2);
  const auto first = queue.add([&] { both.arrive_and_wait(); });
  const auto second = queue.add([&] { both.arrive_and_wait(); });
  both.wait();
}

}  // namespace
}  // namespace troupe
