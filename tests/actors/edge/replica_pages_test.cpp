#include "actors/edge/replica_pages.hpp"

#include <gmock/gmock.h>

#include "actors/edge/capture/captures.hpp"
#include "actors/edge/retries/answer_store.hpp"
#include "actors/edge/routes.hpp"
#include "tests/actors/edge/scripted_service.hpp"

namespace troupe::actors::edge {
namespace {

using ::testing::HasSubstr;

struct ReplicaPages : testing::Test {
  ScriptedService service;
  config::EdgeSettings settings;
  Departure departure{[] {}};
  Captures captures{settings.capture};
  AnswerStore answers{settings.retries, service, nullptr};

  // What the page at a path says to a body.
  Reply ask(std::string_view path, std::string_view body = {}) {
    static const std::string version = "1", request_id = "r";
    const auto resource = find_resource("POST", path, true);
    CHECK(resource && resource->endpoint->page, "there is such a page");
    return resource->endpoint->page(
        {resource->argument, body, service, settings, version, request_id, departure, captures, answers});
  }
  Reply drill(std::string_view body) { return ask("/v1/replica/drill", body); }
  Reply place(std::string_view body) { return ask("/v1/replica/placement", body); }
  Reply show(const runtime::ReplicaView& view) {
    service.show(view);
    return ask("/v1/replica");
  }
  static void expect_fault(const Reply& reply, const std::string& param, const std::string& sentence) {
    EXPECT_EQ(reply.status, 400);
    const Json error = Json::parse(reply.body)["error"];
    EXPECT_EQ(error["param"].is_null() ? "" : error["param"].get<std::string>(), param) << error;
    EXPECT_THAT(error["message"].get<std::string>(), HasSubstr(sentence));
  }
};

TEST_F(ReplicaPages, ShowEveryRank) {
  using runtime::RankState;
  service.show({.epoch = 3,
                .state = runtime::ReplicaState::serving,
                .ranks = {{.rank = 0, .node = 0, .pid = 123, .state = RankState::serving, .step = 17},
                          {.rank = 1, .node = 1, .pid = 9, .state = RankState::loading, .restarts = 2}},
                .last_fault = {}});
  const Reply reply = ask("/v1/replica");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(
      reply.body,
      R"({"epoch":3,"state":"serving","ranks":[)"
      R"({"rank":0,"node":0,"pid":123,"state":"serving","step":17,"restarts":0,"loaded_bytes":0,"last_fault":null},)"
      R"({"rank":1,"node":1,"pid":9,"state":"loading","step":0,"restarts":2,"loaded_bytes":0,"last_fault":null}],"last_fault":null})");
}

TEST_F(ReplicaPages, ShowTheLastFault) {
  using runtime::FaultKind;
  using Milliseconds = std::chrono::duration<double, std::milli>;
  const auto time = [](double ms) { return std::chrono::duration_cast<Duration>(Milliseconds(ms)); };
  runtime::ReplicaView view{
      .epoch = 4, .state = runtime::ReplicaState::recovering, .ranks = {}, .last_fault = {}};
  Tick last;
  last.step = 12;
  view.last_fault = {
      .rank = {}, .kind = FaultKind::stopped, .last = last, .detected = time(4.25), .recovered = {}};
  EXPECT_EQ(Json::parse(show(view).body)["last_fault"].dump(),
            R"({"rank":null,"kind":"stopped","step":12,"layer":null,"collective":null,"device":null,)"
            R"("detected_ms":4.25,"recovered_ms":null})");
  last.layer = 5;
  last.collective = Collective::all_reduce;
  view.last_fault = {
      .rank = 1, .kind = FaultKind::exited, .last = last, .detected = time(4.25), .recovered = time(180.5)};
  EXPECT_EQ(Json::parse(show(view).body)["last_fault"].dump(),
            R"({"rank":1,"kind":"exited","step":12,"layer":5,"collective":"all_reduce","device":null,)"
            R"("detected_ms":4.25,"recovered_ms":180.5})");
  last.device = {DeviceFaultKind::ecc, "linear, add"};
  view.ranks = {{.rank = 0, .last_fault = runtime::FaultView{.rank = 0, .last = last, .recovered = {}}}};
  EXPECT_EQ(Json::parse(show(view).body)["ranks"][0]["last_fault"]["device"].dump(),
            R"({"error":"ecc","kernels":"linear, add"})");
  view.ranks[0].last_fault->last.device.kind = DeviceFaultKind::none;
  EXPECT_EQ(Json::parse(show(view).body)["ranks"][0]["last_fault"]["device"].dump(),
            R"({"error":null,"kernels":"linear, add"})")
      << "what it was at";
}

TEST_F(ReplicaPages, OrderDrills) {
  const std::vector<std::pair<std::string, Drill::Kind>> kinds{
      {"crash_worker", Drill::Kind::crash_worker},
      {"crash_scheduler", Drill::Kind::crash_scheduler},
      {"crash_block_manager", Drill::Kind::crash_block_manager},
      {"crash_expert_shard", Drill::Kind::crash_expert_shard},
      {"device_error", Drill::Kind::device_error},
      {"corrupt_message", Drill::Kind::corrupt_message}};
  for (const auto& [name, kind] : kinds) {
    const Reply reply = drill(R"({"kind": ")" + name + R"(", "rank": 3, "group": 1})");
    EXPECT_EQ(reply.status, 202);
    EXPECT_EQ(reply.body, "{}");
    EXPECT_EQ(service.drills().back().kind, kind) << name;
    EXPECT_EQ(service.drills().back().rank, 3);
    EXPECT_EQ(service.drills().back().group, 1u);
  }
  EXPECT_EQ(drill(R"({"kind": "crash_worker", "rank": null})").status, 202);
  EXPECT_EQ(service.drills().back().rank, 0);
}

TEST_F(ReplicaPages, RefuseMalformedDrills) {
  expect_fault(drill("{"), "", "not valid JSON");
  expect_fault(drill("{}"), "kind", "Missing required parameter");
  expect_fault(drill(R"({"kind": 1})"), "kind", "expected a string");
  expect_fault(drill(R"({"kind": "crash"})"), "kind", "'crash_worker', 'crash_scheduler'");
  expect_fault(drill(R"({"kind": "crash_worker", "rank": -1})"), "rank", ">= 0");
  expect_fault(drill(R"({"kind": "crash_worker", "rank": 1024})"), "rank", "<= 1023");
  expect_fault(drill(R"({"kind": "crash_block_manager", "group": "a"})"), "group", "expected an integer");
  EXPECT_TRUE(service.drills().empty());
}

TEST_F(ReplicaPages, PlaceExperts) {
  const Reply reply = place(R"({"expert": 3, "ranks": [0, 2]})");
  EXPECT_EQ(reply.status, 202);
  EXPECT_EQ(reply.body, "{}");
  ASSERT_EQ(service.placements().size(), 1u);
  EXPECT_EQ(service.placements()[0].first, 3);
  EXPECT_EQ(service.placements()[0].second, (std::vector<std::int32_t>{0, 2}));
}

TEST_F(ReplicaPages, RefuseMalformedPlacements) {
  expect_fault(place("[]"), "", "must be a JSON object");
  expect_fault(place(R"({"ranks": [0]})"), "expert", "Missing required parameter");
  expect_fault(place(R"({"expert": -1, "ranks": [0]})"), "expert", ">= 0");
  expect_fault(place(R"({"expert": 1})"), "ranks", "Missing required parameter");
  expect_fault(place(R"({"expert": 1, "ranks": 0})"), "ranks", "expected an array");
  expect_fault(place(R"({"expert": 1, "ranks": []})"), "ranks", "at least one rank");
  expect_fault(place(R"({"expert": 1, "ranks": ["0"]})"), "ranks", "an array of integers");
  expect_fault(place(R"({"expert": 1, "ranks": [-1]})"), "ranks", "from 0 to 1023");
  expect_fault(place(R"({"expert": 1, "ranks": [1024]})"), "ranks", "from 0 to 1023");
  expect_fault(place(R"({"expert": 1, "ranks": [2, 0, 2]})"), "ranks", "Rank 2 is there twice");
  EXPECT_TRUE(service.placements().empty());
}

TEST_F(ReplicaPages, PassTheReplicasRefusalOn) {
  service.refuse_control({RefusalKind::unavailable, "Another drill is on.", "", "busy"});
  for (const Reply& reply : {drill(R"({"kind": "crash_worker"})"), place(R"({"expert": 0, "ranks": [0]})")}) {
    EXPECT_EQ(reply.status, 503);
    EXPECT_EQ(Json::parse(reply.body)["error"]["code"], "busy");
  }
}

}  // namespace
}  // namespace troupe::actors::edge
