#include "actors/link/link.hpp"

#include <gtest/gtest.h>

namespace troupe::actors {
namespace {

using std::chrono::seconds;

TEST(LinkPatience, AHeadThatIsGoneIsSoonGivenUp) {
  const TimePoint start{};
  LinkPatience patience(start);
  EXPECT_TRUE(patience.lasts(Probe::refused, start));
  EXPECT_TRUE(patience.lasts(Probe::refused, start + seconds(10)));
  EXPECT_FALSE(patience.lasts(Probe::refused, start + seconds(11)));
}

TEST(LinkPatience, AHeadThatMakesNoLinkIsGivenUp) {
  const TimePoint start{};
  LinkPatience patience(start);
  EXPECT_TRUE(patience.lasts(Probe::reachable, start + seconds(30)));
  EXPECT_FALSE(patience.lasts(Probe::reachable, start + seconds(31)));
}

TEST(LinkPatience, TheTimeOfANetworkThatWasAwayIsNotCountedWhenItIsBack) {
  const TimePoint start{};
  LinkPatience patience(start);
  EXPECT_TRUE(patience.lasts(Probe::silent, start + seconds(1)));
  EXPECT_TRUE(patience.lasts(Probe::silent, start + seconds(500)));
  EXPECT_TRUE(patience.lasts(Probe::reachable, start + seconds(501)));
  EXPECT_TRUE(patience.lasts(Probe::reachable, start + seconds(530)));
  EXPECT_FALSE(patience.lasts(Probe::reachable, start + seconds(532)));
}

TEST(LinkPatience, AHostThatIsAwayForLongIsGivenUp) {
  const TimePoint start{};
  LinkPatience patience(start);
  EXPECT_TRUE(patience.lasts(Probe::silent, start + seconds(1)));
  EXPECT_FALSE(patience.lasts(Probe::silent, start + seconds(602)));
}

TEST(LinkPatience, BeginsAnewWithEachLink) {
  const TimePoint start{};
  LinkPatience patience(start);
  EXPECT_TRUE(patience.lasts(Probe::reachable, start + seconds(29)));
  patience.linked(start + seconds(1000));
  EXPECT_TRUE(patience.lasts(Probe::reachable, start + seconds(1029)));
}

}  // namespace
}  // namespace troupe::actors
