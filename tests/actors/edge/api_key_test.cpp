#include "actors/edge/api_key.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace troupe::actors::edge {
namespace {

TEST(ApiKey, AsksForNoneWhenThereIsNone) {
  EXPECT_TRUE(check_api_key("", "", {}));
}

TEST(ApiKey, AnyOfTheKeysOpens) {
  const std::vector<std::string> keys{"one", "two"};
  EXPECT_TRUE(check_api_key("Bearer one", "", keys));
  EXPECT_TRUE(check_api_key("bearer two", "", keys));
  EXPECT_TRUE(check_api_key("Bearer  one", "", keys));
  EXPECT_TRUE(check_api_key("BEARER    two", "", keys));
  for (const char* wrong : {"", "Bearer", "Bearer ", "Bearer on", "Bearer one ", "Basic one", "one",
                            "Bearer three", "Bearer   ", "Bearerone"})
    EXPECT_EQ(check_api_key(wrong, "", keys).error().kind, RefusalKind::unauthorized) << wrong;
}

TEST(ApiKey, EitherHeaderOpens) {
  const std::vector<std::string> keys{"one", "two"};
  EXPECT_TRUE(check_api_key("", "two", keys));
  EXPECT_TRUE(check_api_key("Bearer wrong", "one", keys));
  EXPECT_TRUE(check_api_key("Bearer one", "wrong", keys));
  for (const char* wrong : {"", "on", "Bearer one", "three"})
    EXPECT_EQ(check_api_key("", wrong, keys).error().kind, RefusalKind::unauthorized) << wrong;
}

TEST(ApiKey, AnEmptyKeyStillNeedsTheScheme) {
  EXPECT_FALSE(check_api_key("", "", std::vector<std::string>{""}));
}

}  // namespace
}  // namespace troupe::actors::edge
