#include "actors/edge/time_limits.hpp"

#include <gtest/gtest.h>

namespace troupe::actors::edge {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(TimeLimits, AreTheOperators) {
  config::EdgeSettings settings;
  EXPECT_EQ(time_limits(settings, "").value(), TimeLimits{});
  settings.times = {.request = seconds(9), .queue = seconds(2), .first_token = seconds(3)};
  settings.timeout_action = "partial";
  const TimeLimits limits = time_limits(settings, "").value();
  EXPECT_EQ(limits.request, seconds(9));
  EXPECT_EQ(limits.to_begin(), seconds(2));
  EXPECT_TRUE(limits.partial);
  EXPECT_EQ(TimeLimits{}.to_begin(), seconds(0));
}

TEST(TimeLimits, AClientMayShortenThem) {
  config::EdgeSettings settings;
  EXPECT_EQ(time_limits(settings, "2.5").value().request, milliseconds(2500));
  EXPECT_EQ(time_limits(settings, "0.0001").value().request, milliseconds(1)) << "0 is no limit";
  settings.times.request = seconds(9);
  EXPECT_EQ(time_limits(settings, "2").value().request, seconds(2));
  EXPECT_EQ(time_limits(settings, "100").value().request, seconds(9));
  EXPECT_EQ(time_limits(settings, "99999999999").value().request, seconds(9));
}

TEST(TimeLimits, WhatIsNoTimeIsRefused) {
  for (const char* text : {"0", "-1", "nan", "inf", "1e3", "5s", " 5", "five", "1,5", "."}) {
    const auto limits = time_limits({}, text);
    ASSERT_FALSE(limits) << text;
    EXPECT_EQ(limits.error().kind, RefusalKind::invalid);
    EXPECT_EQ(limits.error().param, "x-request-timeout");
  }
}

}  // namespace
}  // namespace troupe::actors::edge
