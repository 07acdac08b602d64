// The checks before a server that does as the test says; tests/end_to_end/test_smoke.py has the program before real ones.
#include "launch/smoke/checks.hpp"

#include <gmock/gmock.h>

#include <map>
#include <nlohmann/json.hpp>

#include "tests/launch/load/answering_server.hpp"

namespace troupe::launch::smoke {
namespace {

using load::http_answer;
using nlohmann::ordered_json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Request = load::AnsweringServer::Request;

// A server as it should be; what a test wants otherwise it changes.
struct Behaviour {
  int health = 200;
  std::string content = "17 * 23 = 391", reasoning = "Hm.", finish_reason = "stop";
  std::string streamed_content = "17 * 23 = 391";
  std::string arguments = R"({"city": "Paris"})", tool = "get_weather";
  std::string capabilities = R"(["completion", "tools", "thinking"])";
  int tokens = 9;
  bool counts = true, done = true, refuses = true;
};

class ServerOfTheTest {
 public:
  explicit ServerOfTheTest(Behaviour behaviour)
      : behaviour_(std::move(behaviour)),
        server_([this](const Request& request) { return answer(request); }) {}
  ServerUrl url() const { return server_.url(); }

 private:
  std::string answer(const Request& request) {
    if (request.target == "/health") return http_answer(behaviour_.health, R"({"status": "stalled"})");
    if (request.target == "/v1/models") return http_answer(200, R"({"data": [{"id": "m"}]})");
    if (request.target == "/api/show")
      return http_answer(200, R"({"capabilities": )" + behaviour_.capabilities + "}");
    if (request.target == "/metrics")
      return http_answer(200, "troupe_generation_tokens_total " + std::to_string(tokens_) +
                                  "\ntroupe_request_success_total{finished_reason=\"stop\"} " +
                                  std::to_string(requests_) +
                                  "\ntroupe_request_success_total{finished_reason=\"abort\"} " +
                                  std::to_string(left_) + "\n");
    return complete(ordered_json::parse(request.body, nullptr, false));
  }

  std::string complete(const ordered_json& body) {
    const bool wrong = !body.is_object() || body.at("messages").empty() || body.at("temperature") < 0 ||
                       (body.contains("max_tokens") && body.at("max_tokens") > 1000);
    const std::string reason = R"({"error": {"message": "no"}})";
    if (wrong && behaviour_.refuses) return http_answer(400, reason);
    if (body.is_object() && body.at("model") != "m" && behaviour_.refuses) return http_answer(404, reason);
    if (!body.is_object()) return http_answer(200, "{}");
    if (body.contains("ignore_eos")) ++left_;
    if (body.contains("stream")) return stream();
    if (behaviour_.counts) tokens_ += behaviour_.tokens, ++requests_;
    ordered_json message{{"content", behaviour_.content}, {"reasoning_content", behaviour_.reasoning}};
    if (body.contains("tools"))
      message["tool_calls"] = {
          {{"function", {{"name", behaviour_.tool}, {"arguments", behaviour_.arguments}}}}};
    return http_answer(
        200, ordered_json{{"choices", {{{"message", message}, {"finish_reason", behaviour_.finish_reason}}}},
                          {"usage", {{"completion_tokens", behaviour_.tokens}}}}
                 .dump());
  }

  std::string stream() const {
    const auto event = [](const ordered_json& choice) {
      return "data: " + ordered_json{{"choices", {choice}}}.dump() + "\n\n";
    };
    return "HTTP/1.1 200 -\r\nConnection: close\r\n\r\n" +
           event({{"delta", {{"reasoning_content", behaviour_.reasoning}}}}) +
           event({{"delta", {{"content", behaviour_.streamed_content}}},
                  {"finish_reason", behaviour_.finish_reason}}) +
           (behaviour_.done ? "data: [DONE]\n\n" : "");
  }

  const Behaviour behaviour_;
  int tokens_ = 0, requests_ = 0, left_ = 0;  // of the server's thread
  load::AnsweringServer server_;
};

using Outcomes = std::map<std::string, Outcome>;

Outcomes check(const Behaviour& behaviour, Plan plan = {.model = "", .deep = true}) {
  const ServerOfTheTest server(behaviour);
  load::Asker asker(server.url(), {}, std::chrono::milliseconds(500));
  Outcomes outcomes;
  EXPECT_TRUE(run_checks(
      asker, plan, [&](const CheckResult& result) { outcomes[std::string(result.check)] = result.outcome; }));
  return outcomes;
}

// The names of those that did not pass.
std::vector<std::string> troubled(const Outcomes& outcomes, Verdict verdict) {
  std::vector<std::string> names;
  for (const auto& [name, outcome] : outcomes)
    if (outcome.verdict == verdict) names.push_back(name);
  return names;
}

TEST(SmokeChecks, AllPassWhereAllIsWell) {
  const Outcomes outcomes = check({});
  EXPECT_EQ(outcomes.size(), check_names().size());
  for (const auto& [name, outcome] : outcomes)
    EXPECT_EQ(outcome.verdict, Verdict::passed) << name << ": " << outcome.detail;
}

TEST(SmokeChecks, WhoIsNotAskedForDoesNotRun) {
  EXPECT_EQ(check({}, {}).count("limits"), 0u);
  EXPECT_EQ(check({}, {.model = "", .deep = false, .only = {"limits"}}).size(), 1u);
}

TEST(SmokeChecks, AModelThatAnswersBadlyIsNoFailureOfTheServer) {
  const Outcomes outcomes = check(
      {.content = "purple", .reasoning = " ", .streamed_content = "purple", .arguments = R"({"city": "x"})"});
  EXPECT_THAT(troubled(outcomes, Verdict::failed), IsEmpty());
  EXPECT_THAT(troubled(outcomes, Verdict::poor), ElementsAre("arguments", "arithmetic", "reasoning"));
}

TEST(SmokeChecks, WhatAModelCannotDoIsLeftOut) {
  const Outcomes outcomes = check({.capabilities = R"(["completion"])"});
  EXPECT_THAT(troubled(outcomes, Verdict::left_out), ElementsAre("arguments", "reasoning", "tools"));
}

TEST(SmokeChecks, FailuresOfFormAreTold) {
  const auto failure = [](const Behaviour& behaviour, const std::string& name) {
    const Outcomes outcomes = check(behaviour);
    EXPECT_THAT(troubled(outcomes, Verdict::failed), testing::Contains(name));
    return outcomes.at(name).detail;
  };
  EXPECT_THAT(failure({.health = 503}, "health"), HasSubstr("status 503: stalled"));
  EXPECT_THAT(failure({.content = "", .reasoning = "", .streamed_content = ""}, "answer"),
              HasSubstr("empty"));
  EXPECT_THAT(failure({.finish_reason = "error"}, "answer"), HasSubstr("'error'"));
  EXPECT_THAT(failure({.tokens = 999}, "answer"), HasSubstr("999 completion_tokens"));
  EXPECT_THAT(failure({.content = "Hm.</think>391"}, "answer"), HasSubstr("</think>"));
  EXPECT_THAT(failure({.streamed_content = "17 * 23 = 392"}, "stream"), HasSubstr("from byte 12 on"));
  EXPECT_THAT(failure({.done = false}, "stream"), HasSubstr("[DONE]"));
  EXPECT_THAT(failure({.arguments = "city=Paris"}, "tools"), HasSubstr("no object with a city"));
  EXPECT_THAT(failure({.tool = "other"}, "tools"), HasSubstr("'other'"));
  EXPECT_THAT(failure({.counts = false}, "metrics"), HasSubstr("9 tokens was counted as 0 of 0"));
  EXPECT_THAT(failure({.refuses = false}, "limits"), HasSubstr("no JSON got status 200, not 400"));
}

TEST(SmokeChecks, WhatDependsOnAnAnswerThatDidNotComeIsLeftOut) {
  const load::AnsweringServer server([](const Request& request) {
    return request.target == "/v1/models" ? http_answer(200, R"({"data": [{"id": "m"}]})")
                                          : http_answer(request.method == "GET" ? 200 : 500, "");
  });
  load::Asker asker(server.url(), {}, std::chrono::milliseconds(500));
  Outcomes outcomes;
  run_checks(asker, {},
             [&](const CheckResult& result) { outcomes[std::string(result.check)] = result.outcome; });
  EXPECT_THAT(outcomes.at("answer").detail, HasSubstr("status 500"));
  EXPECT_THAT(troubled(outcomes, Verdict::left_out),
              ElementsAre("arguments", "arithmetic", "repetition", "stream"));
}

TEST(SmokeChecks, WhereNobodyAnswersNothingElseIsTried) {
  load::Asker asker({.authority = "127.0.0.1:1", .host = "127.0.0.1", .port = "1", .path = {}}, {},
                    std::chrono::seconds(5));
  std::vector<std::string> told;
  EXPECT_FALSE(
      run_checks(asker, {}, [&](const CheckResult& result) { told.push_back(result.outcome.detail); }));
  ASSERT_EQ(told.size(), 1u);
  EXPECT_THAT(told[0], HasSubstr("Connection refused"));
}

}  // namespace
}  // namespace troupe::launch::smoke
