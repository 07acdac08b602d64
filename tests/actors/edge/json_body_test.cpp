#include "actors/edge/json_body.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace troupe::actors::edge {
namespace {

std::string refusal_of(std::string_view body, const config::RequestLimits& limits = {}) {
  const auto parsed = parse_body(body, limits);
  return parsed ? "accepted" : parsed.error().message;
}

TEST(JsonBody, KeepsTheOrderOfKeysAndTheLastOfEqualOnes) {
  const auto parsed = parse_body(R"({"b": 1, "a": 2, "b": 3})", {});
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->dump(), R"({"b":3,"a":2})");
}

TEST(JsonBody, RefusesWhatIsNoObject) {
  for (const char* body : {"[]", "1", "null", "\"x\""})
    EXPECT_EQ(refusal_of(body), "The request body must be a JSON object.");
}

TEST(JsonBody, RefusesWhatIsNoJsonWithoutQuotingIt) {
  for (const char* body :
       {"", "{", "{\"secret\" 1}", "{\"secret\": NaN}", "{\"secret\": 1e999}", "{}secret",
        "{\"secret\": \"\xff\"}", "{\"secret\": \"\\ud800\"}", "{\"secret\": \"\xed\xa0\x80\"}"}) {
    const std::string message = refusal_of(body);
    EXPECT_TRUE(message.starts_with("The request body is not valid JSON (at byte")) << body << message;
    EXPECT_EQ(message.find("secret"), message.npos);
  }
}

TEST(JsonBody, LimitsDepth) {
  config::RequestLimits limits;
  limits.json_depth = 3;
  EXPECT_EQ(refusal_of(R"({"a": [[1]]})", limits), "accepted");
  EXPECT_EQ(refusal_of(R"({"a": [[[1]]]})", limits), "The request body has more than 3 levels.");
  const std::string deep = "{\"a\":" + std::string(1'000'000, '[');
  EXPECT_EQ(refusal_of(deep), "The request body has more than 64 levels.");
}

TEST(JsonBody, LimitsValues) {
  config::RequestLimits limits;
  limits.json_values = 4;
  EXPECT_EQ(refusal_of(R"({"a": [1, 2]})", limits), "accepted");
  EXPECT_EQ(refusal_of(R"({"a": [1, 2, 3]})", limits), "The request body has more than 4 values.");
}

TEST(JsonBody, LimitsKeysOfOneObject) {
  config::RequestLimits limits;
  limits.json_keys = 2;
  EXPECT_EQ(refusal_of(R"({"a": {"x": 1, "y": 2}, "b": {"x": 1}})", limits), "accepted");
  EXPECT_EQ(refusal_of(R"({"a": {"x": 1, "y": 2, "z": 3}})", limits),
            "The request body has more than 2 keys in one object.");
}

TEST(JsonBody, LimitsWhatSearchesForKeysTakeInAll) {
  config::RequestLimits limits;
  limits.json_comparisons = 4;
  EXPECT_EQ(refusal_of(R"({"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 2}, "c": 3})", limits),
            "The request body has more than 4 comparisons of keys, for its large objects.");
  EXPECT_EQ(refusal_of(R"({"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 2}})", limits), "accepted");
  // Each object and the values in all are within their limits.
  std::string object;
  for (int i = 0; i < 2048; ++i) object += (i ? ",\"k" : "{\"k") + std::to_string(i) + "\":0";
  std::string many = "{\"a\":[";
  for (int i = 0; i < 12; ++i) many += (i ? "," : "") + object + "}";
  EXPECT_EQ(refusal_of(many + "]}"),
            "The request body has more than 20000000 comparisons of keys, for its large objects.");
  EXPECT_EQ(refusal_of("{\"a\":" + object + "}}"), "accepted");
}

RC_GTEST_PROP(JsonBody, AnyBytesAreRefusedOrParsed, (const std::string& bytes)) {
  const auto parsed = parse_body(bytes, {});
  RC_ASSERT(!parsed || parsed->is_object());
}

}  // namespace
}  // namespace troupe::actors::edge
