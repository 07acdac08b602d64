#include "actors/edge/departure.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace troupe::actors::edge {
namespace {

using std::chrono::milliseconds;

TEST(Departure, LetsNobodyInOnceItHasBegunUnlessItIsCalledOff) {
  int told = 0;
  Departure departure([&] { ++told; });
  EXPECT_TRUE(departure.admit());
  departure.begin();
  departure.begin();
  EXPECT_EQ(told, 1);
  EXPECT_TRUE(departure.begun());
  EXPECT_FALSE(departure.admit());
  departure.call_off();
  EXPECT_TRUE(departure.admit());
  departure.begin();
  EXPECT_EQ(told, 2);
}

TEST(Departure, ForGoodIsNotCalledOff) {
  int told = 0;
  Departure departure([&] { ++told; });
  departure.begin();
  departure.begin_for_good();
  departure.call_off();
  EXPECT_TRUE(departure.begun());
  EXPECT_FALSE(departure.admit());
  EXPECT_EQ(told, 1);
}

TEST(Departure, WaitsForThoseInside) {
  Departure departure([] {});
  Departure::Pass one = departure.admit(), two = departure.admit();
  EXPECT_EQ(departure.in_progress(), 2u);
  departure.begin();
  EXPECT_FALSE(departure.wait(milliseconds(0)));
  one.reset();
  std::thread leaves([&] { two.reset(); });
  EXPECT_TRUE(departure.wait(std::chrono::hours(1)));
  leaves.join();
  EXPECT_TRUE(departure.wait(milliseconds(0)));
}

TEST(Departure, WhoHastensWaitsForNobody) {
  Departure departure([] {});
  const Departure::Pass pass = departure.admit();
  departure.begin();
  std::thread hastens([&] { departure.hasten(); });
  EXPECT_FALSE(departure.wait(std::chrono::hours(1)));
  hastens.join();
  EXPECT_TRUE(departure.hastened());
}

}  // namespace
}  // namespace troupe::actors::edge
