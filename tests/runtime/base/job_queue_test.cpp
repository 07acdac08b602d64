#include "runtime/base/job_queue.hpp"

#include <gtest/gtest.h>

#include <future>
#include <latch>

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

TEST(JobQueue, ThreadsShareTheJobs) {
  std::latch both(2);  // each job waits for the other, so one thread alone would never come to an end
  JobQueue queue(2, 2);
  const auto first = queue.add([&] { both.arrive_and_wait(); });
  const auto second = queue.add([&] { both.arrive_and_wait(); });
  both.wait();
}

}  // namespace
}  // namespace troupe
