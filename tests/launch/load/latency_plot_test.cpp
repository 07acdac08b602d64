#include "launch/load/latency_plot.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace troupe::launch::load {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(LatencyPlot, DrawsTheTimesThatThereAreAndTheTable) {
  ServingRun run;
  run.base_url = "http://host";
  run.model_id = "a <model>";
  run.exchanges = {{.ttft = 0.1, .latency = 0.1}, {.ttft = 0.3, .latency = 0.3}};
  const std::string html = plot_of(run);
  EXPECT_THAT(html, HasSubstr("a &lt;model> at http://host"));
  EXPECT_THAT(html, HasSubstr("Time to first token"));
  EXPECT_THAT(html, HasSubstr("End-to-end latency"));
  EXPECT_THAT(html, Not(HasSubstr("Inter-token latency"))) << "each answer was one event";
  EXPECT_THAT(html, HasSubstr("<polyline"));
  EXPECT_THAT(html, HasSubstr("Serving Benchmark Result"));
}

TEST(LatencyPlot, RequestsThatFailedHaveNoTimes) {
  ServingRun run;
  run.exchanges = {{.ttft = 0.1, .latency = 0.1, .error = "it broke"}};
  EXPECT_THAT(plot_of(run), Not(HasSubstr("<polyline")));
}

}  // namespace
}  // namespace troupe::launch::load
