#include "launch/server_url.hpp"

#include <gmock/gmock.h>

#include "tests/error_of.hpp"

namespace troupe::launch {
namespace {

using ::testing::HasSubstr;

TEST(ServerUrl, ItsPathIsWhereTheApiBegins) {
  const auto path = [](const std::string& text) { return parse_api_url(text).path; };
  EXPECT_EQ(path("http://a:8000"), "");
  EXPECT_EQ(path("http://a:8000/v1"), "");
  EXPECT_EQ(path("http://a/llm/v1/"), "/llm");
  EXPECT_EQ(path("http://a/llm"), "/llm");
  EXPECT_EQ(path("http://a/dev1"), "/dev1");
  EXPECT_EQ(parse_api_url("http://[::1]:80/v1").host, "::1");
}

TEST(ServerUrl, WhatIsNoneIsRefusedByItsName) {
  EXPECT_THAT(error_of([] { parse_api_url("a:8000"); }), HasSubstr("URL: 'a:8000' is no URL of a server"));
  EXPECT_THAT(error_of([] { parse_api_url("https://a", "or so"); }),
              HasSubstr("ask the server behind the proxy, or so"));
}

TEST(ServerUrl, IsToldByItsScheme) {
  for (const char* text : {"http://a", "https://a", "http://"}) EXPECT_TRUE(is_url(text)) << text;
  for (const char* text : {"", "a:8000", "/models/http://a", "deepseek-v3"})
    EXPECT_FALSE(is_url(text)) << text;
}

}  // namespace
}  // namespace troupe::launch
