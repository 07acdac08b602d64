#include "kernels/queue.hpp"

#include <gtest/gtest.h>

#include "runtime/base/error.hpp"

namespace troupe::kernels {
namespace {

TEST(ImmediateQueue, WaitsForNothingButLooksWhatElseFailed) {
  ImmediateQueue queue;
  queue.wait(TimePoint::max());
  int looks = 0;
  queue.watch([&] {
    if (++looks == 2) throw Error("rank 1 is gone", "a peer");
  });
  queue.wait(TimePoint::max());
  EXPECT_THROW(queue.wait(TimePoint::max()), Error);
}

TEST(ImmediateQueue, WritesWhatWasReached) {
  ImmediateQueue queue;
  std::atomic<std::uint64_t> place{1};
  queue.set(place, 7);
  EXPECT_EQ(place, 7u);
}

}  // namespace
}  // namespace troupe::kernels
