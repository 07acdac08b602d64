#include "actors/edge/cors.hpp"

#include <gmock/gmock.h>

namespace troupe::actors::edge {
namespace {

using config::CorsSettings;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::StartsWith;

const std::string page = "https://chat.example";

HeaderFields preflight(const CorsSettings& settings, std::string_view origin = page,
                       std::string_view method = "POST",
                       std::string_view headers = "authorization,content-type") {
  return preflight_fields(settings, origin, method, headers, "POST, OPTIONS");
}

TEST(Cors, IsOffUnlessSet) {
  EXPECT_THAT(cors_fields({}, page), IsEmpty());
  EXPECT_THAT(preflight({}), IsEmpty());
}

TEST(Cors, AnyOriginMayRead) {
  const CorsSettings settings{.allowed_origins = {"*"}};
  const auto exposed = Pair(
      "Access-Control-Expose-Headers",
      StartsWith(
          "X-Request-Id, Request-Id, X-Region, X-Stream-Id, Idempotent-Replayed, Retry-After, x-ratelimit-limit-requests, "));
  EXPECT_THAT(cors_fields(settings, page), ElementsAre(Pair("Access-Control-Allow-Origin", "*"), exposed));
  EXPECT_THAT(cors_fields(settings, "null"), ElementsAre(Pair("Access-Control-Allow-Origin", "*"), exposed));
  EXPECT_THAT(cors_fields(settings, ""), IsEmpty());
  EXPECT_THAT(preflight(settings),
              ElementsAre(Pair("Access-Control-Allow-Methods", "POST, OPTIONS"),
                          Pair("Access-Control-Allow-Headers", "authorization,content-type"),
                          Pair("Access-Control-Max-Age", "600")));
}

TEST(Cors, OnlyListedOriginsMayRead) {
  const CorsSettings settings{.allowed_origins = {"https://a.example", page}};
  EXPECT_THAT(
      cors_fields(settings, page),
      ElementsAre(
          Pair("Vary", "Origin"), Pair("Access-Control-Allow-Origin", page),
          Pair(
              "Access-Control-Expose-Headers",
              StartsWith(
                  "X-Request-Id, Request-Id, X-Region, X-Stream-Id, Idempotent-Replayed, Retry-After, x-ratelimit-limit-requests, "))));
  for (const char* other :
       {"", "null", "http://chat.example", "https://chat.example.evil", "https://chat.example:8443"}) {
    EXPECT_THAT(cors_fields(settings, other), ElementsAre(Pair("Vary", "Origin"))) << other;
    EXPECT_THAT(preflight(settings, other), IsEmpty()) << other;
  }
}

// A star would not count then: browsers want the name.
TEST(Cors, CredentialsNeedTheOriginsName) {
  const CorsSettings settings{.allowed_origins = {"*"}, .allow_credentials = true};
  EXPECT_THAT(
      cors_fields(settings, page),
      ElementsAre(
          Pair("Vary", "Origin"), Pair("Access-Control-Allow-Origin", page),
          Pair("Access-Control-Allow-Credentials", "true"),
          Pair(
              "Access-Control-Expose-Headers",
              StartsWith(
                  "X-Request-Id, Request-Id, X-Region, X-Stream-Id, Idempotent-Replayed, Retry-After, x-ratelimit-limit-requests, "))));
}

TEST(Cors, MethodsAndHeadersMayBeListed) {
  const CorsSettings settings{
      .allowed_origins = {"*"}, .allowed_methods = {"GET", "POST"}, .allowed_headers = {"authorization"}};
  EXPECT_THAT(preflight(settings), ElementsAre(Pair("Access-Control-Allow-Methods", "GET, POST"),
                                               Pair("Access-Control-Allow-Headers", "authorization"),
                                               Pair("Access-Control-Max-Age", "600")));
}

TEST(Cors, OptionsThatIsNoPreflightGetsNothingBesides) {
  const CorsSettings settings{.allowed_origins = {"*"}};
  EXPECT_THAT(preflight(settings, page, ""), IsEmpty());
  EXPECT_THAT(preflight(settings, page, "POST", ""),
              ElementsAre(Pair("Access-Control-Allow-Methods", "POST, OPTIONS"),
                          Pair("Access-Control-Max-Age", "600")));
}

}  // namespace
}  // namespace troupe::actors::edge
