#include "launch/pull/patience.hpp"

#include <gmock/gmock.h>

#include "tests/error_of.hpp"

namespace troupe::launch::pull {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(Patience, WaitsLongerEachTimeAndGivesUp) {
  Patience patience({.most = 3, .first_delay = seconds(1)});
  const Hitch hitch("reset", "http://a");
  EXPECT_EQ(patience.after(hitch), seconds(1));
  EXPECT_EQ(patience.after(hitch), seconds(2));
  EXPECT_EQ(patience.after(hitch), seconds(4));
  EXPECT_THAT(error_of([&] { patience.after(hitch); }),
              AllOf(HasSubstr("http://a: reset"), HasSubstr("tried 4 times")));
}

TEST(Patience, ProgressRenewsIt) {
  Patience patience({.most = 1, .first_delay = seconds(1)});
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(patience.after(Hitch("reset", "a")), seconds(1));
    patience.renew();
  }
}

TEST(Patience, HasALongestDelay) {
  Patience patience({.most = 1000, .first_delay = seconds(1)});
  Duration last{};
  for (int i = 0; i < 1000; ++i) last = patience.after(Hitch("reset", "a"));
  EXPECT_EQ(last, longest_delay);
}

TEST(Patience, KeepsWhatTheServerAsksFor) {
  Patience patience({.most = 9, .first_delay = seconds(1)});
  EXPECT_EQ(patience.after(Hitch("status 429", "a", seconds(7))), seconds(7));
  EXPECT_EQ(patience.after(Hitch("status 429", "a", seconds(0))), seconds(2));
  EXPECT_THAT(error_of([&] { patience.after(Hitch("status 429", "a", longest_retry_after + seconds(1))); }),
              HasSubstr("asks to wait for too long"));
}

}  // namespace
}  // namespace troupe::launch::pull
