#include "runtime/base/thread_pool.hpp"

#include <gtest/gtest.h>

#include <set>
#include <stdexcept>

namespace troupe {
namespace {

TEST(ThreadPool, CoversEveryIndexOnce) {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (const std::int64_t count : {0, 1, 7, 100, 1001})
      for (const std::int64_t grain : {1, 8, 2000}) {
        std::vector<std::atomic<int>> hits(std::size_t(count) + 1);
        pool.parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) {
          EXPECT_LT(begin, end);
          EXPECT_LE(end - begin, grain);
          for (std::int64_t i = begin; i < end; ++i) ++hits[std::size_t(i)];
        });
        for (std::int64_t i = 0; i < count; ++i) ASSERT_EQ(hits[std::size_t(i)], 1);
        EXPECT_EQ(hits.back(), 0);
      }
  }
}

TEST(ThreadPool, UsesAllItsThreads) {
  constexpr int threads = 3;
  ThreadPool pool(threads);
  std::atomic<int> arrived{0};
  // Every range waits for the others, so one thread alone would never come to an end.
  pool.parallel_for(threads, 1, [&](std::int64_t, std::int64_t) {
    ++arrived;
    while (arrived < threads) std::this_thread::yield();
  });
  EXPECT_EQ(arrived, threads);
}

TEST(ThreadPool, WorksAgainAfterItsThreadsFellAsleep) {
  ThreadPool pool(2);
  std::int64_t sum = 0;
  for (int round = 0; round < 2000; ++round) {
    std::atomic<std::int64_t> part{0};
    pool.parallel_for(4, 1, [&](std::int64_t begin, std::int64_t) { part += begin; });
    sum += part;
    if (round % 100 == 0)
      for (int i = 0; i < 100'000; ++i) std::atomic_signal_fence(std::memory_order_seq_cst);
  }
  EXPECT_EQ(sum, 2000 * 6);
}

TEST(ThreadPool, TicksForEachRangeAndWhenATaskSaysSo) {
  for (const int threads : {1, 3}) {
    TickBoard board;
    ThreadPool pool(threads, &board);
    pool.parallel_for(100, 8, [](std::int64_t, std::int64_t) {});
    EXPECT_EQ(board.count, 13u);
    pool.parallel_for(2, 8, [&](std::int64_t, std::int64_t) { pool.piece_done(); });
    EXPECT_EQ(board.count, 13u + 2u);
  }
}

TEST(ThreadPool, HandsOnATasksException) {
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    auto fail = [](std::int64_t begin, std::int64_t) {
      if (begin == 5) throw std::runtime_error("five");
    };
    EXPECT_THROW(pool.parallel_for(10, 1, fail), std::runtime_error);
    std::atomic<int> calls{0};
    pool.parallel_for(10, 1, [&](std::int64_t, std::int64_t) { ++calls; });
    EXPECT_EQ(calls, 10);
  }
}

TEST(ThreadPoolDeathTest, ATaskMustNotCallItsPool) {
  EXPECT_DEATH(
      {
        ThreadPool pool(2);
        auto inner = [](std::int64_t, std::int64_t) {};
        pool.parallel_for(4, 1, [&](std::int64_t, std::int64_t) { pool.parallel_for(4, 1, inner); });
      },
      "a task called the pool");
}

}  // namespace
}  // namespace troupe
