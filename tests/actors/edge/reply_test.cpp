#include "actors/edge/reply.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace troupe::actors::edge {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(Reply, EveryRefusalHasAStatusAndATypeOfItsOwnKind) {
  struct Case {
    RefusalKind kind;
    int status;
    const char* type;
  };
  for (const Case& each : {Case{RefusalKind::invalid, 400, "invalid_request_error"},
                           {RefusalKind::unauthorized, 401, "authentication_error"},
                           {RefusalKind::forbidden, 403, "permission_error"},
                           {RefusalKind::not_found, 404, "not_found_error"},
                           {RefusalKind::method_not_allowed, 405, "invalid_request_error"},
                           {RefusalKind::timeout, 408, "timeout_error"},
                           {RefusalKind::gone, 410, "not_found_error"},
                           {RefusalKind::unprocessable, 422, "invalid_request_error"},
                           {RefusalKind::too_large, 413, "invalid_request_error"},
                           {RefusalKind::rate_limited, 429, "rate_limit_error"},
                           {RefusalKind::headers_too_large, 431, "invalid_request_error"},
                           {RefusalKind::cancelled, 499, "invalid_request_error"},
                           {RefusalKind::internal, 500, "server_error"},
                           {RefusalKind::unavailable, 503, "overloaded_error"}}) {
    EXPECT_EQ(http_status(each.kind), each.status);
    const Reply reply = refusal_reply({each.kind, "why", "field", ""});
    EXPECT_EQ(reply.status, each.status);
    EXPECT_EQ(
        Json::parse(reply.body),
        Json({{"error", {{"message", "why"}, {"type", each.type}, {"param", "field"}, {"code", nullptr}}}}));
  }
}

TEST(Reply, SaysWhatTheStatusAsksFor) {
  const auto headers = [](RefusalKind kind) { return refusal_reply({kind, "why", "", ""}).headers; };
  EXPECT_THAT(headers(RefusalKind::unavailable), ElementsAre(Pair("Retry-After", retry_after_seconds)));
  EXPECT_THAT(headers(RefusalKind::rate_limited), ElementsAre(Pair("Retry-After", retry_after_seconds)));
  EXPECT_THAT(headers(RefusalKind::unauthorized), ElementsAre(Pair("WWW-Authenticate", "Bearer")));
  EXPECT_THAT(headers(RefusalKind::invalid), IsEmpty());
  EXPECT_THAT(refusal_reply({RefusalKind::unavailable, "why", "", "", 17}).headers,
              ElementsAre(Pair("Retry-After", "17")));
}

}  // namespace
}  // namespace troupe::actors::edge
