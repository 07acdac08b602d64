#include "actors/edge/traces/request_trace.hpp"

#include <gtest/gtest.h>

namespace troupe::actors::edge {
namespace {

using std::chrono::milliseconds;

RequestTrace served() {
  const TimePoint t{};
  runtime::ChoiceTimes times{.choice = 1,
                             .arrived = t + milliseconds(1),
                             .queue = milliseconds(2),
                             .prefill = milliseconds(4),
                             .decode = milliseconds(8),
                             .prompt_tokens = 5,
                             .output_tokens = 6,
                             .replays = {{t + milliseconds(9), t + milliseconds(11)}}};
  return {.context = {std::string(32, 'a'), std::string(16, 'b'), std::string(16, 'c'), "v=1"},
          .method = "POST",
          .route = "/v1/completions",
          .model = "demo",
          .request_id = "r",
          .generation_id = "cmpl-r",
          .status = 200,
          .end = "complete",
          .began = t,
          .ended = t + milliseconds(20),
          .choices = {times}};
}

TEST(RequestTrace, HasASpanForEachPartOfAChoice) {
  const auto wall = std::chrono::system_clock::time_point(std::chrono::seconds(1'700'000'000));
  const auto spans = spans_of(served(), TimePoint{} + milliseconds(20), wall);
  ASSERT_EQ(spans.size(), 5u);
  const auto begin = wall - milliseconds(20);
  struct Part {
    std::string name;
    int from, to;
  };
  std::size_t i = 0;
  for (const Part& part : {Part{"POST /v1/completions", 0, 20},
                           {"queue", 1, 3},
                           {"prefill", 3, 7},
                           {"decode", 7, 15},
                           {"replay", 9, 11}}) {
    const Span& span = spans[i++];
    EXPECT_EQ(span.name, part.name);
    EXPECT_EQ(span.begin, begin + milliseconds(part.from)) << part.name;
    EXPECT_EQ(span.end, begin + milliseconds(part.to)) << part.name;
    EXPECT_EQ(span.trace_id, std::string(32, 'a'));
    EXPECT_EQ(span.parent_id, i == 1 ? std::string(16, 'c') : std::string(16, 'b'));
  }
  EXPECT_EQ(spans[0].span_id, std::string(16, 'b'));
  EXPECT_EQ(spans[4].links, std::vector<std::string>{spans[3].span_id});
  EXPECT_FALSE(spans[0].failed);
}

TEST(RequestTrace, SaysThatARequestFailed) {
  RequestTrace request = served();
  request.end = "failed";
  EXPECT_TRUE(spans_of(request, {}, {})[0].failed);
  request.end = "cancelled";
  EXPECT_FALSE(spans_of(request, {}, {})[0].failed);
}

TEST(RequestTrace, IsWrittenAsOpenTelemetryHasIt) {
  const auto wall = std::chrono::system_clock::time_point(std::chrono::seconds(1'700'000'000));
  const Json body = otlp_request(spans_of(served(), TimePoint{} + milliseconds(20), wall), "1.2.3");
  const Json& resource = body["resourceSpans"][0];
  EXPECT_EQ(resource["resource"]["attributes"][0].dump(),
            R"({"key":"service.name","value":{"stringValue":"troupe"}})");
  const Json& spans = resource["scopeSpans"][0]["spans"];
  ASSERT_EQ(spans.size(), 5u);
  EXPECT_EQ(spans[0]["kind"], 2);
  EXPECT_EQ(spans[0]["startTimeUnixNano"], "1699999999980000000");
  EXPECT_EQ(spans[0]["endTimeUnixNano"], "1700000000000000000");
  EXPECT_EQ(spans[0]["traceState"], "v=1");
  EXPECT_NE(
      spans[0]["attributes"].dump().find(R"({"key":"gen_ai.usage.output_tokens","value":{"intValue":"6"}})"),
      std::string::npos);
  EXPECT_EQ(spans[1]["kind"], 1);
  EXPECT_EQ(spans[4]["links"][0]["spanId"], spans[3]["spanId"]);
}

}  // namespace
}  // namespace troupe::actors::edge
