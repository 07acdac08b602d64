// Generations over real sockets: streams, whole answers, credit, failures and clients that leave.
#include "actors/edge/delivery.hpp"

#include <gtest/gtest.h>

#include "actors/edge/http_server.hpp"
#include "tests/actors/edge/client.hpp"
#include "tests/actors/edge/scripted_service.hpp"

namespace troupe::actors::edge {
namespace {

using std::chrono::milliseconds;

constexpr const char* chat = R"({"model": "demo", "messages": [{"role": "user", "content": "hi"}]})";
constexpr const char* chat_stream =
    R"({"model": "demo", "messages": [{"role": "user", "content": "hi"}], "stream": true})";

struct DeliveryTest : testing::Test {
  std::shared_ptr<ScriptedService> service = std::make_shared<ScriptedService>();
  config::EdgeSettings settings;
  std::unique_ptr<HttpServer> server;

  DeliveryTest() { settings.port = 0; }
  std::uint16_t port() {
    if (!server) server = std::make_unique<HttpServer>(settings, "1.2.3", service);
    return server->port();
  }
};

// Texts of one choice in a stream's events, up to [DONE], which must come once, at the end.
std::string text_of(const std::vector<std::string>& events, int choice = 0) {
  EXPECT_EQ(std::count(events.begin(), events.end(), "[DONE]"), 1);
  EXPECT_EQ(events.back(), "[DONE]");
  std::string text;
  for (std::size_t i = 0; i + 1 < events.size(); ++i) {
    const auto event = nlohmann::json::parse(events[i]);
    for (const auto& each : event["choices"])
      if (each["index"] == choice) text += each["delta"].value("content", "");
  }
  return text;
}

TEST_F(DeliveryTest, AStreamsHeadIsDatedAndMayBeReadByPagesThatAreAllowed) {
  settings.cors.allowed_origins = {"*"};
  Client client(port());
  client.post("/v1/chat/completions", chat_stream, "Origin: https://chat.example\r\n");
  const auto generation = service->next();
  generation->text(0, "Hello");
  Response head = client.read_head();
  EXPECT_EQ(head.status, 200);
  EXPECT_TRUE(head.headers["Date"].ends_with(" GMT"));
  EXPECT_EQ(head.headers["Access-Control-Allow-Origin"], "*");
  generation->finish(0);
  generation->end({4, 1, 0});
  client.read_until("[DONE]");
}

TEST_F(DeliveryTest, WhatTheReplicaRefusesHasTheNamesOfTheApi) {
  const Refusal too_long{RefusalKind::invalid, "max_tokens asks for 5000. Lower it.", "max_tokens",
                         "context_length_exceeded"};
  const auto refused = [&](const char* path, const char* body) {
    Client client(port());
    client.post(path, body);
    service->next()->fail(too_long);
    return client.read_response().json()["error"];
  };
  for (const char* body :
       {R"({"model": "demo", "input": "hi"})", R"({"model": "demo", "input": "hi", "stream": true})"}) {
    const auto response = refused("/v1/responses", body);
    EXPECT_EQ(response["param"], "max_output_tokens");
    EXPECT_EQ(response["message"], "max_output_tokens asks for 5000. Lower it.");
  }
  EXPECT_EQ(refused("/v1/chat/completions", chat)["param"], "max_tokens");
  EXPECT_EQ(refused("/generate", R"({"inputs": "hi"})"),
            "parameters.max_new_tokens asks for 5000. Lower it.");
  EXPECT_EQ(refused("/api/generate", R"({"model": "demo", "prompt": "hi"})"),
            "options.num_predict asks for 5000. Lower it.");
}

TEST_F(DeliveryTest, AWholeAnswer) {
  Client client(port());
  client.post("/v1/chat/completions", chat);
  const auto generation = service->next();
  EXPECT_TRUE(generation->request.id.starts_with("chatcmpl-"));
  generation->text(0, "Hel");
  generation->text(0, "lo");
  generation->finish(0);
  generation->end({4, 2, 0});
  Response response = client.read_response();
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.json()["id"], generation->request.id);
  EXPECT_EQ(response.json()["model"], "demo");
  EXPECT_EQ(response.json()["choices"][0]["message"]["content"], "Hello");
  EXPECT_EQ(response.json()["usage"]["total_tokens"], 6);
  generation->wait_destroyed();
  EXPECT_EQ(generation->cancelled(), 0);
  client.get("/version");
  EXPECT_EQ(client.read_response().status, 200);
}

TEST_F(DeliveryTest, AStreamOfTwoChoicesInterleaved) {
  Client client(port());
  client.post("/v1/chat/completions",
              R"({"model": "demo", "messages": [{"role": "user", "content": "hi"}], "n": 2, "stream": true,
                  "stream_options": {"include_usage": true}})");
  const auto generation = service->next();
  EXPECT_EQ(generation->request.n, 2);
  generation->text(1, "b1");
  generation->text(0, "a1");
  Response response = client.read_head();  // it does not wait for the end
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers["Content-Type"], "text/event-stream; charset=utf-8");
  EXPECT_EQ(response.headers["Transfer-Encoding"], "chunked");
  generation->finish(0, runtime::ChoiceEnd::length);
  generation->text(1, "b2");
  generation->finish(1);
  generation->end({4, 5, 0});
  std::string body;
  while (!body.ends_with("0\r\n\r\n")) body += client.read_until("\r\n\r\n");
  EXPECT_EQ(body.find("b2") < body.find("\"stop\""), true);
  EXPECT_EQ(body.rfind("[DONE]"), body.find("[DONE]"));
  EXPECT_LT(body.find("\"total_tokens\":9"), body.find("[DONE]"));
  client.get("/version");
  EXPECT_EQ(client.read_response().status, 200);
}

TEST_F(DeliveryTest, StreamedChoicesKeepTheirOwnTextAndEndOnce) {
  Client client(port());
  client.post(
      "/v1/chat/completions",
      R"({"model": "demo", "messages": [{"role": "user", "content": "hi"}], "n": 3, "stream": true})");
  const auto generation = service->next();
  for (int i = 0; i < 90; ++i) generation->text(i * 7 % 3, std::to_string(i * 7 % 3));
  for (int choice : {2, 0, 1}) generation->finish(choice);
  generation->end({});
  const auto events = events_of(client.read_response().body);
  int finished = 0;
  for (const std::string& event : events) finished += event.find("\"finish_reason\":\"") != event.npos;
  EXPECT_EQ(finished, 3);
  for (int choice = 0; choice < 3; ++choice)
    EXPECT_EQ(text_of(events, choice), std::string(30, char('0' + choice)));
}

TEST_F(DeliveryTest, Completions) {
  Client client(port());
  client.post("/v1/completions", R"({"model": "demo", "prompt": ["x", "y"], "stream": true})");
  const auto generation = service->next();
  EXPECT_TRUE(generation->request.id.starts_with("cmpl-"));
  generation->text(1, "z");
  generation->finish(1);
  generation->finish(0);
  generation->end({});
  const auto events = events_of(client.read_response().body);
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(nlohmann::json::parse(events[0])["choices"][0]["text"], "z");
  EXPECT_EQ(nlohmann::json::parse(events[0])["object"], "text_completion");
}

TEST_F(DeliveryTest, Http10StreamsUntilTheClose) {
  Client client(port());
  const std::string body = chat_stream;
  client.send("POST /v1/chat/completions HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: " +
              std::to_string(body.size()) + "\r\n\r\n" + body);
  const auto generation = service->next();
  generation->text(0, "a");
  generation->finish(0);
  generation->end({});
  Response response = client.read_response();
  EXPECT_EQ(response.headers.count("Transfer-Encoding"), 0u);
  EXPECT_EQ(text_of(events_of(response.body)), "a");
}

TEST_F(DeliveryTest, ARefusalBeforeTheFirstDeltaIsAPlainError) {
  for (const char* body : {chat, chat_stream}) {
    Client client(port());
    client.post("/v1/chat/completions", body);
    service->next()->fail(
        {RefusalKind::invalid, "4000 tokens are over 2048", "messages", "context_length_exceeded"});
    Response response = client.read_response();
    EXPECT_EQ(response.status, 400);
    EXPECT_EQ(response.headers["Content-Type"], "application/json");
    EXPECT_EQ(response.json()["error"]["code"], "context_length_exceeded");
    client.post("/v1/chat/completions", body);
    service->next()->fail({RefusalKind::rate_limited, "queue full", "", "queue_full"});
    response = client.read_response();
    EXPECT_EQ(response.status, 429);
    EXPECT_EQ(response.headers["Retry-After"], "5");
    EXPECT_EQ(response.json()["error"]["type"], "rate_limit_error");
  }
}

TEST_F(DeliveryTest, AFailureInAStreamIsOneErrorThenDone) {
  Client client(port());
  client.post("/v1/chat/completions", chat_stream);
  const auto generation = service->next();
  generation->text(0, "par");
  generation->fail({RefusalKind::internal, "the worker died", "", ""});
  const auto events = events_of(client.read_response().body);
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(nlohmann::json::parse(events[1])["error"]["message"], "the worker died");
  EXPECT_EQ(events[2], "[DONE]");
}

TEST_F(DeliveryTest, AFailureOfAWholeAnswerIsAPlainError) {
  Client client(port());
  client.post("/v1/chat/completions", chat);
  const auto generation = service->next();
  generation->text(0, "par");
  generation->fail({RefusalKind::internal, "the worker died", "", ""});
  EXPECT_EQ(client.read_response().status, 500);
}

TEST_F(DeliveryTest, AClientThatLeavesCancelsAtOnce) {
  for (const char* body : {chat, chat_stream}) {
    for (const bool reset : {false, true}) {
      Client client(port());
      client.post("/v1/chat/completions", body);
      const auto generation = service->next();
      generation->text(0, "a");
      if (reset)
        client.reset();
      else
        client.close();
      generation->wait_cancelled();
      generation->wait_destroyed();
      EXPECT_EQ(generation->cancelled(), 1);
      generation->end({});  // too late to matter
    }
  }
}

TEST_F(DeliveryTest, AClientThatLeavesBeforeTheFirstDeltaCancels) {
  Client client(port());
  client.post("/v1/chat/completions", chat_stream);
  const auto generation = service->next();
  client.close();
  generation->wait_cancelled();
}

TEST_F(DeliveryTest, AStreamsHeadComesWhenItIsAcceptedAndThenSignsOfLife) {
  settings.connection.stream_silence = milliseconds(20);
  Client client(port());
  client.post("/v1/chat/completions", chat_stream);
  const auto generation = service->next();
  generation->accept({.prompt_tokens = 3900});
  EXPECT_EQ(client.read_until(": waiting\n\n").find("HTTP/1.1 200"), 0u);
  generation->text(0, "a");
  generation->finish(0);
  generation->end({});
  EXPECT_NE(client.read_until("[DONE]").find(R"("content":"a")"), std::string::npos);
}

TEST_F(DeliveryTest, AHeadAloneWaitsForItsStreamAWhile) {
  Client client(port());
  client.post("/v1/chat/completions", chat_stream);
  const auto generation = service->next();
  const auto before = std::chrono::steady_clock::now();
  generation->accept({});
  EXPECT_EQ(client.read_head().status, 200);
  EXPECT_GE(std::chrono::steady_clock::now() - before, Delivery::head_waits);
  generation->finish(0);
  generation->end({});
}

TEST_F(DeliveryTest, AnAcceptedStreamThatFailsSaysSoInTheStream) {
  Client client(port());
  client.post("/v1/chat/completions", chat_stream);
  const auto generation = service->next();
  generation->accept({});
  generation->fail({RefusalKind::internal, "broken", "", ""});
  const auto response = client.read_response();
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(events_of(response.body).size(), 2u);
}

TEST_F(DeliveryTest, ThereIsCreditForAWindow) {
  settings.connection.buffered_deltas = 3;
  Client client(port());
  client.post("/v1/chat/completions", chat);
  const auto generation = service->next();
  generation->wait_credit(3);
  generation->text(0, "a");
  generation->wait_credit(3);  // it has been taken over
  generation->finish(0);
  generation->end({});
  EXPECT_EQ(client.read_response().status, 200);
}

TEST_F(DeliveryTest, ASlowReaderPausesItsOwnStreamOnly) {
  settings.connection.buffered_deltas = 2;
  Client slow(port());
  slow.post("/v1/chat/completions", chat_stream);
  const auto paused = service->next();
  const std::string block(1 << 20, 'x');
  runtime::Delta delta;
  delta.content = block;
  std::size_t sent = 0;
  while (paused->try_emit(delta, milliseconds(300)))
    ASSERT_LT(++sent, 64u) << "nothing holds the stream back";

  Client quick(port());
  quick.post("/v1/chat/completions", chat_stream);
  const auto running = service->next();
  for (int i = 0; i < 20; ++i) running->text(0, "y");
  running->finish(0);
  running->end({});
  EXPECT_EQ(text_of(events_of(quick.read_response().body)), std::string(20, 'y'));

  std::thread replica([&] {
    paused->finish(0);  // waits for credit, which the reader's progress gives
    paused->end({});
  });
  const std::string text = text_of(events_of(slow.read_response().body));
  replica.join();
  EXPECT_EQ(text.size(), sent * block.size());
}

TEST_F(DeliveryTest, AReaderThatTakesNothingIsGivenUp) {
  settings.connection.buffered_deltas = 2;
  settings.connection.write_timeout = milliseconds(100);
  Client client(port());
  client.post("/v1/chat/completions", chat_stream);
  const auto generation = service->next();
  runtime::Delta delta;
  delta.content = std::string(1 << 20, 'x');
  while (generation->cancelled() == 0 && generation->try_emit(delta, milliseconds(300))) continue;
  generation->wait_cancelled();
  generation->wait_destroyed();
}

TEST_F(DeliveryTest, RequestsSentAheadWaitForTheirTurn) {
  Client client(port());
  client.post("/v1/chat/completions", chat_stream);
  const auto first = service->next();
  client.post("/v1/chat/completions", chat);
  client.get("/version");
  first->text(0, "a");
  first->finish(0);
  EXPECT_TRUE(service->idle());
  first->end({});
  EXPECT_EQ(text_of(events_of(client.read_response().body)), "a");
  const auto second = service->next();
  second->finish(0);
  second->end({});
  EXPECT_EQ(client.read_response().status, 200);
  EXPECT_EQ(client.read_response().json()["version"], "1.2.3");
}

TEST_F(DeliveryTest, ReadingAheadIsBoundedAndLosesNothing) {
  settings.connection.read_ahead_size = {100};
  Client client(port());
  client.post("/v1/chat/completions", chat);
  const auto first = service->next();
  const std::string padded = std::string(chat) + std::string(4000, ' ');
  client.post("/v1/chat/completions", padded);
  first->finish(0);
  first->end({});
  EXPECT_EQ(client.read_response().status, 200);
  const auto second = service->next();
  second->finish(0);
  second->end({});
  EXPECT_EQ(client.read_response().status, 200);
}

TEST_F(DeliveryTest, StopLetsAnAnswerEnd) {
  Client client(port());
  client.post("/v1/chat/completions", chat_stream);
  const auto generation = service->next();
  generation->text(0, "a");
  client.read_head();
  std::thread stopper([&] { server->stop(); });
  generation->text(0, "b");
  generation->finish(0);
  generation->end({});
  EXPECT_NE(client.read_to_end().find("[DONE]"), std::string::npos);
  stopper.join();
  EXPECT_EQ(generation->cancelled(), 0);
}

TEST_F(DeliveryTest, StopCutsOffWhatDoesNotEnd) {
  settings.connection.shutdown_timeout = milliseconds(50);
  settings.connection.read_ahead_size = {100};
  Client client(port()), ahead(port());
  client.post("/v1/chat/completions", chat_stream);
  const auto generation = service->next();
  ahead.post("/v1/chat/completions", chat);
  const auto unwatched = service->next();
  unwatched->begun = true;
  ahead.send(std::string(1000, 'x'));  // so much that the connection is not read any more
  generation->text(0, "a");
  client.read_head();
  server->stop();
  generation->wait_cancelled();
  unwatched->wait_cancelled();
  const std::string rest = client.read_to_end();
  EXPECT_NE(rest.find("\"error\""), std::string::npos) << rest;
  EXPECT_LT(rest.find("\"error\""), rest.find("[DONE]"));
  EXPECT_TRUE(rest.ends_with("0\r\n\r\n")) << rest;
  EXPECT_EQ(ahead.read_response().status, 503);
}

// A server that is leaving, while one answer is still told.
struct LeavingTest : DeliveryTest {
  LeavingTest() {
    settings.connection.shutdown_timeout = ScriptedGeneration::deadline;
    settings.replica_control = true;
  }
  ~LeavingTest() override {
    if (stopper.joinable()) stopper.join();
  }
  // Once that is seen.
  void leave() {
    stopper = std::thread([this] { server->stop(); });
    while (status_of("/readyz") != 503) std::this_thread::yield();
  }
  int status_of(const char* target) {
    Client client(port());
    client.get(target);
    return client.read_response().status;
  }
  Response ask(std::string_view body, std::string_view path = "/v1/chat/completions") {
    Client client(port());
    client.post(path, body);
    return client.read_response();
  }
  std::thread stopper;
};

TEST_F(LeavingTest, TellsProbesAndNewcomersAndLetsStreamsEnd) {
  Client client(port());
  client.post("/v1/chat/completions", chat_stream);
  const auto generation = service->next();
  generation->text(0, "a");
  client.read_head();
  leave();
  EXPECT_EQ(status_of("/livez"), 200);
  Response refused = ask(chat);
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.json()["error"]["code"], "draining");
  EXPECT_EQ(refused.headers["Retry-After"], "5");
  EXPECT_EQ(refused.headers["Connection"], "close");
  generation->text(0, "b");
  generation->finish(0);
  generation->end({});
  const std::string rest = client.read_to_end();
  EXPECT_NE(rest.find("[DONE]"), std::string::npos);
  EXPECT_EQ(rest.find("\"error\""), std::string::npos);
}

TEST_F(LeavingTest, WhoHasNotBegunIsRefusedAndWhoWasToldMayEnd) {
  Client waiting(port()), begun(port()), told(port());
  waiting.post("/v1/chat/completions", chat);
  const auto unbegun = service->next();
  unbegun->accept({});  // it waits in the scheduler's queue
  begun.post("/v1/chat/completions", chat);
  const auto running = service->next();
  running->begun = true;
  told.post("/v1/chat/completions", chat_stream);
  const auto accepted = service->next();
  accepted->accept({});
  told.read_head();
  leave();
  Response refused = waiting.read_response();
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.json()["error"]["code"], "draining");
  for (const auto& each : {running, accepted}) {
    each->text(0, "a");
    each->finish(0);
    each->end({});
  }
  EXPECT_EQ(begun.read_response().status, 200);
  EXPECT_EQ(told.read_until("[DONE]").find("\"error\""), std::string::npos);
}

TEST_F(LeavingTest, ASecondSignalHastens) {
  Client client(port());
  client.post("/v1/chat/completions", chat_stream);
  const auto generation = service->next();
  generation->text(0, "a");
  client.read_head();
  leave();
  server->hasten();
  const std::string rest = client.read_to_end();
  EXPECT_LT(rest.find("\"error\""), rest.find("[DONE]"));
  generation->wait_cancelled();
}

TEST_F(LeavingTest, AnOperatorDrainsAndTakesItBack) {
  Client client(port());
  client.post("/v1/chat/completions", chat);
  const auto generation = service->next();
  generation->begun = true;
  Response drained = ask("", "/v1/drain");
  EXPECT_EQ(drained.status, 202);
  EXPECT_EQ(drained.body, R"({"status":"draining","active_requests":1})");
  EXPECT_EQ(status_of("/readyz"), 503);
  EXPECT_EQ(ask(chat).status, 503);
  generation->finish(0);
  generation->end({});
  EXPECT_EQ(client.read_response().status, 200);
  // What is answered is over a moment after its client knows.
  while (ask(R"({"drain": false})", "/v1/drain").body != R"({"status":"ok","active_requests":0})") continue;
  EXPECT_EQ(status_of("/readyz"), 200);
  for (const char* wrong : {"{}", R"({"drain": 1})", "x"})
    EXPECT_EQ(ask(wrong, "/v1/drain").status, 400) << wrong;
  EXPECT_EQ(status_of("/openapi.json"), 200);
  EXPECT_EQ(status_of("/readyz"), 200) << "to describe it is not to do it";
}

TEST_F(LeavingTest, AnOperatorDoesNotTakeTheEndBack) {
  Client client(port());
  client.post("/v1/chat/completions", chat);
  const auto generation = service->next();
  generation->begun = true;
  leave();
  EXPECT_EQ(ask(R"({"drain": false})", "/v1/drain").body, R"({"status":"draining","active_requests":1})");
  EXPECT_EQ(status_of("/readyz"), 503);
  EXPECT_EQ(ask(chat).json()["error"]["code"], "draining");
  generation->finish(0);
  generation->end({});
  EXPECT_EQ(client.read_response().status, 200);
}

TEST_F(DeliveryTest, AClientsTimeLimitReachesTheReplica) {
  settings.times.queue = std::chrono::seconds(3);
  Client client(port());
  client.post("/v1/chat/completions", chat, "x-request-timeout: 0.5\r\n");
  const auto generation = service->next();
  EXPECT_EQ(generation->request.times.request, milliseconds(500));
  EXPECT_EQ(generation->request.times.queue, std::chrono::seconds(3));
  generation->fail({RefusalKind::unavailable, "late", "", "queue_timeout", 7});
  Response response = client.read_response();
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.headers["Retry-After"], "7");
  client.post("/v1/chat/completions", chat, "x-request-timeout: soon\r\n");
  EXPECT_EQ(client.read_response().status, 400);
}

TEST_F(DeliveryTest, WhatCannotBeginInTimeIsRefusedUnread) {
  service->shortest_wait = std::chrono::seconds(2);
  Client client(port());
  client.post("/v1/chat/completions", "no JSON", "x-request-timeout: 1.5\r\n");
  Response response = client.read_response();
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.json()["error"]["code"], "deadline_unreachable");
  client.post("/v1/chat/completions", "no JSON", "x-request-timeout: 2.5\r\n");
  EXPECT_EQ(client.read_response().status, 400);
}

TEST_F(DeliveryTest, WhatComesAfterACutOffIsDropped) {
  settings.connection.shutdown_timeout = milliseconds(50);
  Client client(port());
  client.post("/v1/chat/completions", chat_stream);
  const auto generation = service->next();
  generation->begun = true;
  server->stop();
  generation->text(0, "late");
  generation->end({});
  EXPECT_EQ(client.read_response().status, 503);
}

}  // namespace
}  // namespace troupe::actors::edge
