#include "runtime/lab/fairness.hpp"

#include <gtest/gtest.h>

namespace troupe::runtime::lab {
namespace {

TEST(Fairness, ComparesCallersWhileBothHaveSomebodyWaiting) {
  Fairness fairness;
  const auto serve = [&](std::uint64_t caller, int tokens) {
    for (int i = 0; i < tokens; ++i) fairness.served(caller);
    fairness.look();
  };
  fairness.waits(1);
  serve(1, 100);  // nobody else waits
  fairness.waits(2);
  fairness.look();
  EXPECT_EQ(fairness.largest_difference(), 0);
  serve(1, 10);
  EXPECT_EQ(fairness.largest_difference(), 20);
  serve(2, 15);
  EXPECT_EQ(fairness.largest_difference(), 30) << "from the first one's lead to the other's";
  fairness.waits(2);
  fairness.admitted(2, 7);  // it still has one waiting
  fairness.look();
  EXPECT_EQ(fairness.largest_difference(), 37);
  fairness.gave_up(2);
  serve(1, 500);
  fairness.waits(2);
  serve(2, 3);
  EXPECT_EQ(fairness.largest_difference(), 37) << "it began again";
}

TEST(Fairness, LooksAtTheFirstCallersOnly) {
  Fairness fairness;
  for (std::uint64_t caller = 0; caller <= most_compared_callers; ++caller) fairness.waits(caller);
  fairness.look();
  fairness.served(most_compared_callers);
  fairness.look();
  EXPECT_EQ(fairness.largest_difference(), 0);
  fairness.served(most_compared_callers - 1);
  fairness.look();
  EXPECT_EQ(fairness.largest_difference(), 2);
}

}  // namespace
}  // namespace troupe::runtime::lab
