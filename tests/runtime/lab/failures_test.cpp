#include "runtime/lab/failures.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace troupe::runtime::lab {
namespace {

TEST(Failures, NobodyDiesAtARateOfZero) {
  EXPECT_TRUE(std::isinf(Failures(0, 8, 1).next()));
}

TEST(Failures, ComeAsAPoissonProcessAndTakeEveryRankAlike) {
  Failures failures(36, 4, 1);
  constexpr int deaths = 20'000;
  std::vector<int> of_rank(4);
  double last = 0, squares = 0;
  for (int i = 0; i < deaths; ++i) {
    const double gap = failures.next() - last;
    last = failures.next();
    squares += gap * gap;
    ++of_rank.at(std::size_t(failures.take()));
  }
  EXPECT_NEAR(last / deaths, 100, 3) << "36 an hour";
  EXPECT_NEAR(squares / deaths, 2 * 100 * 100, 1500) << "gaps are exponential";
  for (int each : of_rank) EXPECT_NEAR(each, deaths / 4, 300);
}

TEST(Failures, AreThoseOfTheSeed) {
  EXPECT_EQ(Failures(1, 8, 5).next(), Failures(1, 8, 5).next());
  EXPECT_NE(Failures(1, 8, 5).next(), Failures(1, 8, 6).next());
}

}  // namespace
}  // namespace troupe::runtime::lab
