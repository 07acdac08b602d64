#include "actors/edge/routes.hpp"

#include <gtest/gtest.h>

#include "actors/edge/reply.hpp"

namespace troupe::actors::edge {
namespace {

std::string pattern_of(std::string_view target) {
  const auto found = find_resource("GET", target);
  return found ? std::string(found->endpoint->path) : std::to_string(http_status(found.error().kind));
}

TEST(Routes, FindsResources) {
  EXPECT_EQ(pattern_of("/v1/chat/completions"), "/v1/chat/completions");
  EXPECT_EQ(pattern_of("/v1/chat/completions/"), "/v1/chat/completions");
  EXPECT_EQ(pattern_of("/v1/models?limit=5&x=%zz"), "/v1/models");
  EXPECT_EQ(pattern_of("/%76%31/models#top"), "/v1/models");
  EXPECT_EQ(pattern_of("http://host:80/health?x"), "/health");
  EXPECT_EQ(pattern_of("/v1/models/org%2Fname"), "/v1/models/{id}");
  for (const char* root : {"/", "/?x", "http://host"}) EXPECT_EQ(pattern_of(root), "/");
  EXPECT_EQ(find_resource("GET", "/v1/models/org%2Fdemo%20two")->argument, "org/demo two");
  EXPECT_EQ(find_resource("GET", "/v1/models/org/demo")->argument, "org/demo");
}

TEST(Routes, RefusesTheRest) {
  for (const char* target :
       {"", "*", "/v1", "/v2/models", "/healthz", "/V1/models", "//health", "/api", "http://host/v1"})
    EXPECT_EQ(pattern_of(target), "404") << target;
  for (const char* target : {"/%", "/%4", "/%4g", "/%%41", "/%-1"})
    EXPECT_EQ(pattern_of(target), "400") << target;
}

TEST(Routes, KnowsItsMethods) {
  const auto chat = find_resource("GET", "/v1/completions");
  EXPECT_TRUE(allows(*chat->endpoint, "POST") && allows(*chat->endpoint, "OPTIONS"));
  EXPECT_FALSE(allows(*chat->endpoint, "GET") || allows(*chat->endpoint, "POS") ||
               allows(*chat->endpoint, "") || allows(*chat->endpoint, "post"));
  const auto health = find_resource("GET", "/health");
  EXPECT_TRUE(allows(*health->endpoint, "GET") && allows(*health->endpoint, "HEAD"));
  EXPECT_FALSE(allows(*health->endpoint, "POST"));
}

TEST(Routes, EndpointsOfTwoProtocolsMayShareAPath) {
  const auto read = find_resource("GET", "/"), posted = find_resource("POST", "/"),
             neither = find_resource("PUT", "/");
  EXPECT_TRUE(read->endpoint->page);
  EXPECT_TRUE(posted->endpoint->generation);
  EXPECT_TRUE(neither->endpoint);
  for (const auto* each : {&read, &posted, &neither}) EXPECT_EQ((*each)->allow, "GET, HEAD, POST, OPTIONS");
  EXPECT_EQ(find_resource("GET", "/v1/completions")->allow, "POST, OPTIONS");
}

TEST(Routes, ThePolicyIsChangedOnlyWherePermitted) {
  const auto shown = find_resource("PUT", "/v1/scheduler"), put = find_resource("PUT", "/v1/scheduler", true),
             got = find_resource("GET", "/v1/scheduler", true);
  EXPECT_EQ(shown->allow, "GET, HEAD, OPTIONS");
  EXPECT_FALSE(allows(*shown->endpoint, "PUT"));
  for (const auto* each : {&put, &got}) EXPECT_EQ((*each)->allow, "GET, HEAD, PUT, OPTIONS");
  EXPECT_TRUE(allows(*put->endpoint, "PUT") && put->endpoint->needs_key);
  EXPECT_TRUE(allows(*got->endpoint, "GET"));
}

TEST(Routes, TheReplicaIsChangedOnlyWherePermitted) {
  EXPECT_EQ(pattern_of("/v1/replica"), "/v1/replica");
  for (const char* target : {"/v1/replica/drill", "/v1/replica/placement"}) {
    EXPECT_EQ(pattern_of(target), "404");
    const auto permitted = find_resource("POST", target, true);
    ASSERT_TRUE(permitted) << target;
    EXPECT_TRUE(permitted->endpoint->needs_key && allows(*permitted->endpoint, "POST") &&
                !allows(*permitted->endpoint, "GET"))
        << target;
  }
}

TEST(Routes, OnlyTheApiNeedsAKey) {
  EXPECT_TRUE(find_resource("GET", "/v1/models")->endpoint->needs_key);
  EXPECT_TRUE(find_resource("GET", "/v1/models/x")->endpoint->needs_key);
  EXPECT_TRUE(find_resource("GET", "/v1/replica")->endpoint->needs_key);
  EXPECT_FALSE(find_resource("GET", "/health")->endpoint->needs_key);
  EXPECT_FALSE(find_resource("GET", "/metrics")->endpoint->needs_key);
}

}  // namespace
}  // namespace troupe::actors::edge
