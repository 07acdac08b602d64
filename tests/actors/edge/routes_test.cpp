#include "actors/edge/routes.hpp"

#include <gmock/gmock.h>

#include <map>
#include <set>

#include "actors/edge/reply.hpp"

namespace troupe::actors::edge {
namespace {

using ::testing::UnorderedElementsAre;

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
  EXPECT_EQ(pattern_of("/v1/streams/chatcmpl-1"), "/v1/streams/{id}");
  EXPECT_TRUE(find_resource("HEAD", "/v1/streams/chatcmpl-1")->endpoint->resumes);
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
  EXPECT_TRUE(allows(*put->endpoint, "PUT") && put->endpoint->key == KeyClass::control);
  EXPECT_TRUE(allows(*got->endpoint, "GET"));
}

TEST(Routes, TheReplicaIsChangedOnlyWherePermitted) {
  EXPECT_EQ(pattern_of("/v1/replica"), "/v1/replica");
  for (const char* target : {"/v1/replica/drill", "/v1/replica/placement"}) {
    EXPECT_EQ(pattern_of(target), "404");
    const auto permitted = find_resource("POST", target, true);
    ASSERT_TRUE(permitted) << target;
    EXPECT_TRUE(permitted->endpoint->key == KeyClass::control && allows(*permitted->endpoint, "POST") &&
                !allows(*permitted->endpoint, "GET"))
        << target;
  }
}

// Whoever adds a route that changes or shows the server says so here, too.
TEST(Routes, AllButProbesNeedAKeyOfTheirClass) {
  std::map<KeyClass, std::set<std::string>> paths;
  for (const Endpoint* each : all_endpoints()) paths[each->key].emplace(each->path);
  EXPECT_THAT(paths[KeyClass::none],
              UnorderedElementsAre("/", "/health", "/livez", "/readyz", "/startupz", "/ping"));
  EXPECT_THAT(paths[KeyClass::metrics],
              UnorderedElementsAre("/metrics", "/load", "/v1/replica", "/v1/scheduler"));
  EXPECT_THAT(paths[KeyClass::control],
              UnorderedElementsAre("/v1/scheduler", "/v1/replica/drill", "/v1/replica/placement",
                                   "/v1/debug/capture", "/v1/drain"));
  for (const Endpoint* each : all_endpoints())
    EXPECT_TRUE(!each->replica_control || each->key == KeyClass::control) << each->path;
}

TEST(Routes, ARootPathMayStandBeforeAllOthers) {
  const auto path_of = [](std::string_view target) {
    const auto found = find_resource("GET", target, false, "/llm");
    return found ? std::string(found->endpoint->path) : "none";
  };
  EXPECT_EQ(path_of("/llm/v1/models"), "/v1/models");
  EXPECT_EQ(path_of("/v1/models"), "/v1/models");  // the proxy has taken it away
  EXPECT_EQ(path_of("http://host/llm/v1/models?x"), "/v1/models");
  for (const char* root : {"/llm", "/llm/", "/"}) EXPECT_EQ(path_of(root), "/") << root;
  for (const char* other : {"/llmx/v1/models", "/llm/llm/v1/models", "/ll/v1/models"})
    EXPECT_EQ(path_of(other), "none") << other;
}

TEST(Routes, ASlashAtTheEndIsNothingUnlessANameEndsInIt) {
  EXPECT_EQ(find_resource("GET", "/v1/models/")->endpoint->path, "/v1/models");
  EXPECT_EQ(find_resource("GET", "/v1/models/?limit=1")->endpoint->path, "/v1/models");
  EXPECT_EQ(find_resource("GET", "/v1/streams/chatcmpl-a/")->argument, "chatcmpl-a");
  EXPECT_EQ(find_resource("GET", "/v1/streams/chatcmpl-a%2F")->argument, "chatcmpl-a/");
  EXPECT_EQ(find_resource("GET", "/v1/streams/chatcmpl-a%2f/")->argument, "chatcmpl-a/");
}

TEST(Routes, EachEndpointIsOfAProtocol) {
  EXPECT_EQ(protocol_of(*find_resource("GET", "/v1/models")->endpoint), "openai");
  EXPECT_EQ(protocol_of(*find_resource("POST", "/v1/messages")->endpoint), "anthropic");
  EXPECT_EQ(protocol_of(*find_resource("GET", "/")->endpoint), "ollama");
  EXPECT_EQ(protocol_of(*find_resource("POST", "/")->endpoint), "tgi");
  EXPECT_EQ(protocol_of(*find_resource("GET", "/metrics")->endpoint), "troupe");
}

}  // namespace
}  // namespace troupe::actors::edge
