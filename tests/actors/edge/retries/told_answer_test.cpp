// Answers that outlive their connections, over real sockets.
#include "actors/edge/retries/told_answer.hpp"

#include "tests/actors/edge/retries/retries_fixture.hpp"

namespace troupe::actors::edge {
namespace {

struct Asked {
  const char *path, *body;
  std::int32_t choices = 1;
};
constexpr Asked streamed_chat{
    "/v1/chat/completions",
    R"({"model": "demo", "messages": [{"role": "user", "content": "hi"}], "stream": true, "stream_options": {"include_usage": true}})"};
constexpr Asked streamed_choices{"/v1/completions",
                                 R"({"model": "demo", "prompt": "hi", "n": 2, "stream": true})", 2};
constexpr Asked streamed_response{"/v1/responses", R"({"model": "demo", "input": "hi", "stream": true})"};
constexpr Asked streamed_messages{
    "/v1/messages",
    R"({"model": "demo", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "stream": true})"};

struct ToldAnswerTest : RetriesFixture, testing::WithParamInterface<Asked> {};

TEST_P(ToldAnswerTest, AStreamThatIsCutAtAnyEventGoesOnWithWhatIsLeft) {
  const Asked& asked = GetParam();
  for (std::size_t cut = 1;; ++cut) {
    const auto client = send(asked.path, asked.body);
    const auto generation = service->next();
    std::thread replica([&] { write(*generation, asked.choices); });
    const std::string id = client->read_head().headers["X-Stream-Id"];
    EXPECT_EQ(id, generation->request.id);
    std::string seen;
    for (std::size_t i = 0; i < cut; ++i) seen += client->read_until("\n\n");
    client->close();
    replica.join();
    const std::string rest = resume(id, last_id(seen)).body, uncut = resume(id).body;
    const auto events = split_events(uncut);
    std::string prefix;
    for (std::size_t i = 0; i < cut; ++i) prefix += events.at(i);
    EXPECT_EQ(last_id(prefix), last_id(seen));
    EXPECT_EQ(prefix + rest, uncut);
    if (rest.empty()) {
      EXPECT_EQ(cut, events.size());
      EXPECT_GT(cut, 5u);
      break;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Protocols, ToldAnswerTest,
                         testing::Values(streamed_chat, streamed_choices, streamed_response,
                                         streamed_messages),
                         [](const auto& each) { return "Asked" + std::to_string(each.index); });

struct KeptAnswer : RetriesFixture {};

TEST_F(KeptAnswer, GoesOnWithoutItsClientAndIsToldWhereItWasLeft) {
  auto client = send(streamed_chat.path, streamed_chat.body);
  const auto generation = service->next();
  EXPECT_TRUE(generation->request.unpaced);
  generation->accept({});
  const std::string id = client->read_head().headers["X-Stream-Id"];
  generation->text(0, "a");
  const std::string seen = client->read_until("\n\n");
  client->close();
  generation->text(0, "b");
  Client again(port());
  again.send(RetriesFixture::stream_request(id, last_id(seen)));
  EXPECT_EQ(again.read_head().status, 200);
  EXPECT_NE(again.read_until("\n\n").find("\"content\":\"b\""), std::string::npos);
  generation->text(0, "c");
  EXPECT_NE(again.read_until("\n\n").find("\"content\":\"c\""), std::string::npos);
  generation->finish(0);
  generation->end({});
  again.read_until("[DONE]");
  EXPECT_EQ(generation->cancelled(), 0);
}

TEST_F(KeptAnswer, SeveralMayReadItAtOnce) {
  auto first = send(streamed_chat.path, streamed_chat.body);
  const auto generation = service->next();
  generation->accept({});
  const std::string id = first->read_head().headers["X-Stream-Id"];
  Client second(port());
  second.send(stream_request(id));
  second.read_head();
  write(*generation);
  const std::string one = first->read_until("[DONE]"), other = second.read_until("[DONE]");
  for (const std::string* each : {&one, &other})
    for (const char* text : {"a0", "a1", "a2", "a3"}) EXPECT_NE(each->find(text), std::string::npos) << text;
}

TEST_F(KeptAnswer, AWholeOneIsGivenWhole) {
  auto client = send("/v1/completions", R"({"model": "demo", "prompt": "hi"})", "X-Request-Id: mine\r\n");
  const auto generation = service->next();
  client->close();  // it knows the id by its own request's
  Client waiting(port());
  waiting.send(stream_request("cmpl-mine", "1-2-0"));
  write(*generation);
  Response response = waiting.read_response();
  EXPECT_EQ(response.headers["X-Stream-Id"], "cmpl-mine");
  EXPECT_EQ(response.json()["choices"][0]["text"], "a0a1a2a3");
  EXPECT_EQ(resume("cmpl-mine").body, response.body);
}

TEST_F(KeptAnswer, OllamasLinesAreToldFromTheirBeginning) {
  auto client = send("/api/generate", R"({"model": "demo", "prompt": "hi"})");
  const auto generation = service->next();
  write(*generation);
  Response response = client->read_response();
  EXPECT_EQ(response.body.find("id: "), std::string::npos);
  EXPECT_EQ(resume(response.headers["X-Stream-Id"], "1-2-0").body, response.body);
}

TEST_F(KeptAnswer, OnlyItsHeadIsAskedFor) {
  auto client = send(streamed_chat.path, streamed_chat.body);
  const auto generation = service->next();
  generation->accept({});
  const std::string id = client->read_head().headers["X-Stream-Id"];
  Client head(port());
  head.send("HEAD /v1/streams/" + id +
            " HTTP/1.1\r\nHost: t\r\n\r\nGET /version HTTP/1.1\r\nHost: t\r\n\r\n");
  Response response = head.read_head();
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers["X-Stream-Id"], id);
  EXPECT_EQ(head.read_response().json()["version"], "1.2.3");
}

TEST_F(KeptAnswer, WhatIsNoIdIsRefused) {
  auto client = send(streamed_chat.path, streamed_chat.body);
  write(*service->next());
  const std::string id = client->read_response().headers["X-Stream-Id"];
  for (const char* wrong : {"x", "1-2", "1-2-3-4", "1-2-x"}) {
    const Response refused = resume(id, wrong);
    EXPECT_EQ(refused.status, 400) << wrong;
    EXPECT_EQ(refused.json()["error"]["code"], "invalid_last_event_id");
  }
  const Response unknown = resume(id + "x");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(unknown.json()["error"]["code"], "stream_not_found");
}

TEST_F(KeptAnswer, AFailureIsToldAgainAndLeavesTheClientWhereItWas) {
  auto client = send(streamed_chat.path, streamed_chat.body);
  const auto generation = service->next();
  generation->accept({});
  generation->text(0, "a");
  generation->fail({RefusalKind::internal, "broken", "", "x"});
  Response response = client->read_response();
  const auto events = split_events(response.body);
  ASSERT_EQ(events.size(), 3u);
  for (const std::string& each : events) EXPECT_EQ(last_id(each), last_id(events[0]));
  EXPECT_EQ(resume(response.headers["X-Stream-Id"], last_id(events[0])).body, events[1] + events[2]);
}

TEST_F(KeptAnswer, OneThatWasRefusedIsNotKept) {
  auto client = send(streamed_chat.path, streamed_chat.body, "X-Request-Id: mine\r\n");
  service->next()->fail({RefusalKind::rate_limited, "full", "", "queue_full"});
  Response response = client->read_response();
  EXPECT_EQ(response.status, 429);
  EXPECT_EQ(response.headers.count("X-Stream-Id"), 0u);
  EXPECT_EQ(resume("chatcmpl-mine").status, 404);
}

TEST_F(KeptAnswer, IsCancelledAndForgottenWhenNobodyCameInTime) {
  settings.retries.resume_window = std::chrono::milliseconds(1);
  auto client = send(streamed_chat.path, streamed_chat.body, "X-Request-Id: mine\r\n");
  const auto generation = service->next();
  generation->accept({});
  client->read_head();
  client->close();
  generation->wait_cancelled();
  generation->wait_destroyed();
  EXPECT_EQ(resume("chatcmpl-mine").status, 404);
}

TEST_F(KeptAnswer, TwoRequestsOfOneIdHaveTwoStreams) {
  auto one = send(streamed_chat.path, streamed_chat.body, "X-Request-Id: mine\r\n");
  const auto first = service->next();
  auto two = send(streamed_chat.path, streamed_chat.body, "X-Request-Id: mine\r\n");
  const auto second = service->next();
  EXPECT_EQ(first->request.id, "chatcmpl-mine");
  EXPECT_TRUE(second->request.id.starts_with("chatcmpl-mine-")) << second->request.id;
  write(*first);
  write(*second);
  EXPECT_EQ(one->read_response().headers["X-Request-Id"], "mine");
  Response response = two->read_response();
  EXPECT_EQ(response.headers["X-Request-Id"], "mine");
  EXPECT_EQ(resume(second->request.id).body, response.body);
}

TEST_F(KeptAnswer, AServiceThatThrowsIsA500) {
  service->throws = true;
  EXPECT_EQ(send(streamed_chat.path, streamed_chat.body)->read_response().status, 500);
}

TEST_F(KeptAnswer, IsNoLongerNeededWhenTheServerStops) {
  auto client = send(streamed_chat.path, streamed_chat.body);
  const auto generation = service->next();
  generation->accept({});
  client->read_head();
  client->close();
  generation->text(0, "a");
  server->stop();
  generation->wait_cancelled();
}

TEST_F(KeptAnswer, WithoutAWindowAClientThatLeavesCancels) {
  settings.retries.resume_window = {};
  auto client = send(streamed_chat.path, streamed_chat.body);
  const auto generation = service->next();
  EXPECT_FALSE(generation->request.unpaced);
  generation->accept({});
  Response head = client->read_head();
  EXPECT_EQ(head.headers.count("X-Stream-Id"), 0u);
  generation->text(0, "a");
  EXPECT_EQ(last_id(client->read_until("\n\n")), "0-1-0") << "ids there are in any case";
  client->close();
  generation->wait_cancelled();
  EXPECT_EQ(resume(generation->request.id).status, 404);
}

}  // namespace
}  // namespace troupe::actors::edge
