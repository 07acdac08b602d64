#include "actors/edge/scheduler_pages.hpp"

#include <gmock/gmock.h>

#include "actors/edge/capture/captures.hpp"
#include "actors/edge/retries/answer_store.hpp"
#include "actors/edge/routes.hpp"
#include "tests/actors/edge/scripted_service.hpp"

namespace troupe::actors::edge {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct SchedulerPages : testing::Test {
  ScriptedService service;
  config::EdgeSettings settings;
  Departure departure{[] {}};
  Captures captures{settings.capture};
  AnswerStore answers{settings.retries, service, nullptr};

  Reply ask(std::string_view method, std::string_view body = {}) {
    static const std::string version = "1", request_id = "r";
    const auto resource = find_resource(method, "/v1/scheduler", true);
    CHECK(resource && allows(*resource->endpoint, method), "there is such a page");
    return resource->endpoint->page(
        {resource->argument, body, service, settings, version, request_id, departure, captures, answers});
  }
  void expect_fault(std::string_view body, const std::string& param, const std::string& sentence) {
    const Reply reply = ask("PUT", body);
    EXPECT_EQ(reply.status, 400) << body;
    const Json error = Json::parse(reply.body)["error"];
    EXPECT_EQ(error["param"].is_null() ? "" : error["param"].get<std::string>(), param) << error;
    EXPECT_THAT(error["message"].get<std::string>(), HasSubstr(sentence));
  }
};

TEST_F(SchedulerPages, ShowQueuesBudgetsAndThePolicyByGroup) {
  runtime::ScheduleView view;
  view.policy = {"mlfq", {{"quantum", std::int64_t(512)}}};
  view.shadow = {"vtc", {{"input_weight", 1.5}}};
  view.stats.steps = 7;
  view.stats.running = 3;
  view.stats.waiting = 2;
  view.stats.shadow = {6, 4, 9, 1};
  runtime::GroupStats group;
  group.running = 3;
  group.waiting = 2;
  group.resting = 1;
  group.total_blocks = 100;
  group.free_blocks = 60;
  group.last_step_sequences = 3;
  group.last_step_tokens = 20;
  group.last_step_budget = 64;
  group.preemptions = 5;
  view.stats.groups = {group};
  service.show(view);
  const Reply reply = ask("GET");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(
      reply.body,
      R"({"policy":{"name":"mlfq","options":{"quantum":512}},)"
      R"("shadow_policy":{"name":"vtc","options":{"input_weight":1.5},"steps":6,"different_steps":4,"different_sequences":9,"failures":1},)"
      R"("steps":7,"running":3,"waiting":2,)"
      R"("limits":{"max_num_batched_tokens":2048,"max_num_seqs":256,"max_waiting":1024,"max_waiting_tokens":16777216,"max_model_len":0,"max_steps_in_flight":2,"max_step_time_ms":200,"block_size":16},)"
      R"("groups":[{"group":0,"running":3,"waiting":2,"resting":1,"total_blocks":100,"used_blocks":40,)"
      R"("last_step":{"sequences":3,"tokens":20,"token_budget":64},"preemptions":5,"policy_failures":0}]})");
}

TEST_F(SchedulerPages, ShowNoShadowWhereThereIsNone) {
  EXPECT_TRUE(Json::parse(ask("GET").body)["shadow_policy"].is_null());
}

TEST_F(SchedulerPages, ChangeThePolicy) {
  const Reply reply =
      ask("PUT", R"({"policy": "sjf", "options": {"predictor": "quantile", "quantile": 0.75}})");
  EXPECT_EQ(reply.status, 202);
  EXPECT_EQ(reply.body, "{}");
  EXPECT_EQ(ask("PUT", R"({"policy": "fcfs"})").status, 202);
  EXPECT_EQ(ask("PUT", R"({"policy": "mlfq", "options": {"levels": 3}})").status, 202);
  const auto policies = service.policies();
  ASSERT_EQ(policies.size(), 3u);
  EXPECT_EQ(policies[0].name, "sjf");
  EXPECT_THAT(policies[0].options, ElementsAre("predictor=quantile", "quantile=0.75"));
  EXPECT_TRUE(policies[1].options.empty());
  EXPECT_THAT(policies[2].options, ElementsAre("levels=3"));
}

TEST_F(SchedulerPages, RefuseWhatIsNoChoiceOfAPolicy) {
  expect_fault("{", "", "not valid JSON");
  expect_fault("[]", "", "must be a JSON object");
  expect_fault("{}", "policy", "Missing required parameter");
  expect_fault(R"({"policy": 1})", "policy", "expected a string");
  expect_fault(R"({"policy": "vtc", "options": 1})", "options", "expected an object");
  expect_fault(R"({"policy": "vtc", "options": ["input_weight"]})", "options", "expected an object");
  expect_fault(R"({"policy": "vtc", "options": {"input_weight": true}})", "options", "a number or a string");
  expect_fault(R"({"policy": "vtc", "options": {"input_weight": null}})", "options", "a number or a string");
  expect_fault(R"({"policy": "vtc", "options": {"secret": [1]}})", "options",
               "Invalid 'options'. Each is a number or a string.");
  expect_fault(R"({"policy": "vtc", "options": {"a=b": 1}})", "options", "no name");
  expect_fault(R"({"policy": "vtc", "options": {"": 1}})", "options", "no name");
  expect_fault(R"({"policy": "vtc", "options": {"a": ")" + std::string(1000, 'x') + "\"}}", "options",
               "too long");
  Json many = {{"policy", "vtc"}, {"options", Json::object()}};
  for (int i = 0; i < 65; ++i) many["options"]["key" + std::to_string(i)] = i;
  expect_fault(many.dump(), "options", "more than 64");
  EXPECT_TRUE(service.policies().empty());
}

TEST_F(SchedulerPages, PassTheReplicasRefusalOn) {
  service.refuse_control({RefusalKind::invalid, "There is no such policy.", "policy", "invalid_value"});
  expect_fault(R"({"policy": "lottery"})", "policy", "no such policy");
}

}  // namespace
}  // namespace troupe::actors::edge
