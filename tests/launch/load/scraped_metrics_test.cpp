#include "launch/load/scraped_metrics.hpp"

#include <gmock/gmock.h>

#include "tests/error_of.hpp"

namespace troupe::launch::load {
namespace {

using testing::DoubleEq;
using testing::DoubleNear;
using testing::HasSubstr;
using testing::Optional;

const ScrapedMetrics page(
    "# HELP faults Of all ranks.\n"
    "# TYPE faults counter\n"
    "faults{kind=\"death\",rank=\"0\"} 2\r\n"
    "faults{kind=\"death\",rank=\"1\"} 3 1700000000\n"
    "faults{kind=\"a \\\"quoted\\\\\\nkind\",} 4e1\n"
    "\n"
    "up 1\n"
    "limit +Inf\n"
    "wait_bucket{le=\"0.1\"} 0\n"
    "wait_bucket{le=\"1\"} 80\n"
    "wait_bucket{le=\"10\"} 99\n"
    "wait_bucket{le=\"+Inf\"} 100\n"
    "never_bucket{le=\"1\"} 0\n"
    "never_bucket{le=\"+Inf\"} 0");

TEST(ScrapedMetrics, SumsWhatHasTheLabels) {
  EXPECT_TRUE(page.has("faults"));
  EXPECT_FALSE(page.has("fault"));
  EXPECT_EQ(page.sum("faults"), 45);
  EXPECT_EQ(page.sum("faults", {{"kind", "death"}}), 5);
  EXPECT_EQ(page.sum("faults", {{"kind", "death"}, {"rank", "1"}}), 3);
  EXPECT_EQ(page.sum("faults", {{"kind", "a \"quoted\\\nkind"}}), 40);
  EXPECT_EQ(page.sum("up"), 1);
  EXPECT_EQ(page.sum("nothing"), 0);
}

TEST(ScrapedMetrics, HasTheLargestAndTheSmallest) {
  EXPECT_THAT(page.largest("faults"), Optional(40.0));
  EXPECT_THAT(page.smallest("faults"), Optional(2.0));
  EXPECT_EQ(page.largest("nothing"), std::nullopt);
  EXPECT_EQ(page.smallest("nothing"), std::nullopt);
}

TEST(ScrapedMetrics, QuantilesAreThoseOfPrometheus) {
  EXPECT_THAT(page.quantile("wait", 0.5), Optional(DoubleNear(0.1 + 0.9 * 50 / 80, 1e-12)));
  EXPECT_THAT(page.quantile("wait", 0.95), Optional(DoubleNear(1 + 9 * 15.0 / 19, 1e-12)));
  EXPECT_THAT(page.quantile("wait", 0.995), Optional(DoubleEq(10))) << "past the last end that is known";
  EXPECT_EQ(page.quantile("never", 0.5), std::nullopt);
  EXPECT_EQ(page.quantile("nothing", 0.5), std::nullopt);
}

TEST(ScrapedMetrics, WhatIsNoPageIsAnError) {
  for (const char* text :
       {"<html>", "up", "up{", "up{a", "up{a=", "up{a=\"b", "up{a=\"b\" 1", "up one", "{} 1"})
    EXPECT_THAT(error_of([&] { ScrapedMetrics{text}; }), HasSubstr("/metrics")) << text;
  EXPECT_TRUE(ScrapedMetrics("").samples().empty());
}

}  // namespace
}  // namespace troupe::launch::load
