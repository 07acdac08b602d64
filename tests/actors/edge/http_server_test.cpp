#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <deque>

#include "actors/edge/routes.hpp"
#include "tests/actors/edge/collector.hpp"
#include "tests/actors/edge/http_server_fixture.hpp"

namespace troupe::actors::edge {
namespace {

using std::chrono::milliseconds;

struct HttpServerTest : HttpServerFixture {
  // Sends what is no proper request; the server answers and then closes.
  Response refused(std::string_view bytes, bool half_close = false) {
    Client client(port());
    client.send(bytes);
    if (half_close) client.half_close();
    Response response = client.read_response();
    EXPECT_EQ(response.headers["Connection"], "close");
    EXPECT_TRUE(client.at_end());
    return response;
  }
};

std::string code_of(const Response& response) {
  return response.json()["error"]["code"].get<std::string>();
}

TEST_F(HttpServerTest, ListsModels) {
  Response list = get("/v1/models?limit=1");
  EXPECT_EQ(list.status, 200);
  EXPECT_EQ(list.headers["Content-Type"], "application/json");
  EXPECT_EQ(list.json()["object"], "list");
  EXPECT_EQ(list.json()["data"][0]["id"], "demo");
  EXPECT_EQ(list.json()["data"][0]["max_model_len"], 2048);
  EXPECT_EQ(list.json()["data"][1]["id"], "org/demo two");
  EXPECT_EQ(get("/v1/models/org%2Fdemo%20two").json()["id"], "org/demo two");
  EXPECT_EQ(get("/v1/models/other").status, 404);
  EXPECT_EQ(code_of(get("/v1/models/other")), "model_not_found");
}

TEST_F(HttpServerTest, ReportsHealthAndVersion) {
  EXPECT_EQ(get("/version").json()["version"], "1.2.3");
  Response metrics = get("/metrics");
  EXPECT_EQ(metrics.body, "troupe_num_requests_running 0\ntroupe_kept_answers 0\n");
  EXPECT_EQ(metrics.headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8");
  for (const char* path : {"/health", "/livez", "/readyz", "/startupz"})
    EXPECT_EQ(get(path).status, 200) << path;
}

TEST_F(HttpServerTest, ShowsBrowsersTheStatusPageWithoutAKey) {
  settings.api_keys = {"k1"};
  Client client(port());
  client.send("GET / HTTP/1.1\r\nAccept: text/html,application/xhtml+xml,*/*;q=0.8\r\n\r\n");
  Response page = client.read_response();
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.headers["Content-Type"], "text/html; charset=utf-8");
  EXPECT_EQ(page.headers["Vary"], "Accept");
  EXPECT_TRUE(page.headers["Content-Security-Policy"].starts_with("default-src 'none';"));
  EXPECT_TRUE(page.body.starts_with("<!DOCTYPE html>") && page.body.ends_with("</html>\n"));
  EXPECT_EQ(page.body.find("http", page.body.find("2000/svg") + 1), std::string::npos) << "no other host";
  EXPECT_EQ(get("/").body, "Ollama is running") << "to all others";
  EXPECT_EQ(get("/v1/replica").status, 401) << "what it shows asks for the key";
}

TEST_F(HttpServerTest, AtTheMetricsPortTheServerIsWatchedAndNotUsed) {
  settings.metrics_port = HttpServer(settings, "1.2.3", service).port();
  settings.replica_control = true;
  port();
  const auto status_there = [&](std::string_view method, std::string_view target) {
    Client client(settings.metrics_port);
    client.send(std::string(method) + " " + std::string(target) + " HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}");
    return client.read_response().status;
  };
  for (const char* target : {"/", "/metrics", "/health", "/livez", "/readyz", "/startupz", "/version",
                             "/v1/replica", "/v1/scheduler"})
    EXPECT_EQ(status_there("GET", target), 200) << target;
  for (const Endpoint* each : all_endpoints())
    for (const char* method : {"GET", "POST", "PUT", "DELETE"})
      if (!each->watches && allows(*each, method)) {
        EXPECT_EQ(status_there(method, each->path), 404) << each->path;
      }
  EXPECT_EQ(get("/metrics").status, 200) << "at the first port, too";
}

TEST_F(HttpServerTest, AMetricsPortThatIsInUseIsAnError) {
  HttpServer other(settings, "1.2.3", service);
  settings.metrics_port = other.port();
  try {
    port();
    FAIL() << "it listens, too";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("--metrics-port"), std::string::npos) << error.what();
  }
}

TEST_F(HttpServerTest, TracesGoToAnHttpAddress) {
  for (const char* endpoint :
       {"localhost:4318", "https://a", "http://", "http:///v1/traces", "http://a:/x", "http://a:b"}) {
    settings.otlp_traces_endpoint = endpoint;
    EXPECT_THROW(HttpServer(settings, "1.2.3", service), Error) << endpoint;
  }
  settings.otlp_traces_endpoint = "http://127.0.0.1";
  EXPECT_EQ(get("/health").status, 200);
}

// What its head alone has refused is a request for a generation all the same; what is none leaves no trace.
TEST_F(HttpServerTest, RefusalsOfAHeadAreTraced) {
  Collector collector;
  settings.otlp_traces_endpoint = collector.endpoint();
  settings.api_keys = {"k1"};
  settings.connection.body_size = {1000};
  settings.shared_limits.requests_per_address = 3;  // a body that is too large is refused before it counts
  const auto status = [&](std::string_view target, std::string_view headers, std::size_t body_size = 2) {
    Client client(port());
    client.post(target, std::string(body_size, ' '), headers);
    return client.read_response().status;
  };
  const std::string key = "Authorization: Bearer k1\r\n", id(32, 'a');
  EXPECT_EQ(status("/v1/completions", "traceparent: 00-" + id + "-00f067aa0ba902b7-01\r\n"), 401);
  EXPECT_EQ(status("/tokenize", ""), 401);
  EXPECT_EQ(status("/v1/messages", key, 1001), 413);
  service->is_ready = false;
  EXPECT_EQ(status("/v1/chat/completions", key), 503);
  EXPECT_EQ(status("/v1/chat/completions", key), 429);
  auto spans = collector.next(4);
  ASSERT_EQ(spans.size(), 4u);
  // A client may have read its answer before that is traced, and another has sent its request by then.
  std::ranges::sort(spans, {}, [](const nlohmann::json& span) {
    return attribute(span, "http.response.status_code").get<std::string>();
  });
  EXPECT_EQ(spans[0]["traceId"], id);
  const std::pair<const char*, const char*> expected[] = {{"/v1/completions", "401"},
                                                          {"/v1/messages", "413"},
                                                          {"/v1/chat/completions", "429"},
                                                          {"/v1/chat/completions", "503"}};
  for (std::size_t i = 0; i < spans.size(); ++i) {
    EXPECT_EQ(attribute(spans[i], "http.route"), expected[i].first);
    EXPECT_EQ(attribute(spans[i], "http.response.status_code"), expected[i].second);
    EXPECT_EQ(attribute(spans[i], "troupe.end"), "failed");
    EXPECT_TRUE(attribute(spans[i], "gen_ai.response.id").is_null());
  }
}

TEST_F(HttpServerTest, TellsOfGpusWhereSomeServe) {
  EXPECT_FALSE(get("/health").json().contains("gpu_memory_available"));
  runtime::ReplicaView view;
  view.arithmetic = "f32k128";
  view.gpu_memory_available = 123;
  service->show(view);
  service->serve_on({{"driver", "580.65.06"}, {"gpus", "8 x H200"}});
  EXPECT_EQ(get("/health").json()["gpu_memory_available"], 123);
  EXPECT_EQ(
      get("/version").body,
      R"({"version":"1.2.3","arithmetic":"f32k128","devices":{"driver":"580.65.06","gpus":"8 x H200"}})");
}

TEST_F(HttpServerTest, InferenceWaitsUntilTheModelIsReady) {
  service->is_ready = false;
  EXPECT_EQ(get("/livez").status, 200);
  for (const char* path : {"/health", "/readyz", "/startupz"}) EXPECT_EQ(get(path).status, 503) << path;
  const auto startup = get("/startupz").json();
  EXPECT_EQ(startup["status"], "starting");
  EXPECT_EQ(startup["phases"][0].dump(), R"({"name":"opening_checkpoint","state":"done"})");
  EXPECT_EQ(startup["phases"][1]["progress"], 0.25);
  EXPECT_EQ(get("/v1/models").status, 200);
  Client client(port());
  client.post("/v1/completions", "{}");
  Response response = client.read_response();
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.headers["Retry-After"], "5");
  EXPECT_EQ(response.json()["error"]["type"], "overloaded_error");
  EXPECT_EQ(code_of(response), "model_loading");
}

TEST_F(HttpServerTest, AModelThatGaveUpIsNotAlive) {
  service->is_healthy = false;
  EXPECT_EQ(get("/livez").status, 503);
  EXPECT_EQ(get("/health").json()["status"], "failed");
  EXPECT_EQ(get("/startupz").json()["status"], "failed");
  Client client(port());
  client.post("/v1/completions", "{}");
  EXPECT_EQ(code_of(client.read_response()), "model_failed");
}

TEST_F(HttpServerTest, HealthTellsWhatIsGoingOn) {
  runtime::ScheduleView view;
  view.stats.waiting = 4;
  view.stats.total_blocks = 10;
  view.stats.free_blocks = 3;
  service->show(view);
  const auto health = get("/health").json();
  EXPECT_EQ(health["status"], "ok");
  EXPECT_EQ(health["active_requests"], 3);
  EXPECT_EQ(health["waiting_sequences"], 4);
  EXPECT_EQ(health["kv_blocks_used"], 7);
  EXPECT_EQ(health["kv_blocks"], 10);
  EXPECT_GT(health["memory_resident"], 1 << 20);
}

TEST_F(HttpServerTest, AStalledReplicaIsAliveAndNotReady) {
  service->is_stalled = true;
  EXPECT_EQ(get("/livez").status, 200);
  for (const char* path : {"/health", "/readyz"}) {
    Response response = get(path);
    EXPECT_EQ(response.status, 503) << path;
    EXPECT_EQ(response.json()["status"], "stalled");
  }
  Client client(port());
  client.post("/v1/completions", "{}");
  EXPECT_EQ(client.read_response().status, 400) << "who asks all the same is answered";
}

TEST_F(HttpServerTest, UnknownRouteAndWrongMethod) {
  EXPECT_EQ(get("/nothing").status, 404);
  EXPECT_EQ(get("/nothing").json()["error"]["type"], "not_found_error");
  EXPECT_EQ(get("/%zz").status, 400);
  Response wrong = get("/v1/chat/completions");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.headers["Allow"], "POST, OPTIONS");
  Client client(port());
  client.send("BREW /health HTTP/1.1\r\n\r\n");
  EXPECT_EQ(client.read_response().status, 405);
  client.post("/health", "");
  wrong = client.read_response();
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.headers["Allow"], "GET, HEAD, OPTIONS");
}

TEST_F(HttpServerTest, HeadAndOptionsHaveNoBody) {
  Client client(port());
  client.send("HEAD /version HTTP/1.1\r\n\r\n");
  Response head = client.read_response(false);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.headers["Content-Length"], "19");
  client.send("OPTIONS /v1/completions HTTP/1.1\r\n\r\n");
  Response choices = client.read_response();
  EXPECT_EQ(choices.status, 204);
  EXPECT_EQ(choices.headers["Allow"], "POST, OPTIONS");
  EXPECT_EQ(choices.headers.count("Content-Length"), 0u);
  client.send("OPTIONS * HTTP/1.1\r\n\r\n");
  EXPECT_EQ(client.read_response().status, 204);
  client.get("/version");
  EXPECT_EQ(client.read_response().body, R"({"version":"1.2.3"})");
}

TEST_F(HttpServerTest, AnswersAreDated) {
  for (const char* path : {"/version", "/nothing"}) {
    std::string date = get(path).headers["Date"];
    std::tm utc{};
    const char* end = strptime(date.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &utc);
    ASSERT_NE(end, nullptr) << date;
    EXPECT_EQ(*end, '\0');
    EXPECT_NEAR(double(timegm(&utc)), double(std::time(nullptr)), 60);
  }
}

TEST_F(HttpServerTest, PagesOfOtherOriginsMayReadAnswersIfTheyAreAllowed) {
  settings.cors.allowed_origins = {"https://chat.example"};
  settings.api_keys = {"key"};
  Client client(port());
  client.send(
      "OPTIONS /v1/completions HTTP/1.1\r\nOrigin: https://chat.example\r\n"
      "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization\r\n\r\n");
  Response preflight = client.read_response();
  EXPECT_EQ(preflight.status, 204);
  EXPECT_EQ(preflight.headers["Allow"], "POST, OPTIONS");
  EXPECT_EQ(preflight.headers["Access-Control-Allow-Origin"], "https://chat.example");
  EXPECT_EQ(preflight.headers["Access-Control-Allow-Methods"], "POST, OPTIONS");
  EXPECT_EQ(preflight.headers["Access-Control-Allow-Headers"], "authorization");
  // Errors too, or else the page could not tell what was wrong.
  client.send("GET /v1/models HTTP/1.1\r\nOrigin: https://chat.example\r\n\r\n");
  Response refused = client.read_response();
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(refused.headers["Access-Control-Allow-Origin"], "https://chat.example");
  client.send("GET /version HTTP/1.1\r\nOrigin: https://other.example\r\n\r\n");
  Response other = client.read_response();
  EXPECT_EQ(other.headers.count("Access-Control-Allow-Origin"), 0u);
  EXPECT_EQ(other.headers["Vary"], "Origin");
}

TEST_F(HttpServerTest, RequestIdIsEchoedOrMade) {
  Client client(port());
  client.send("GET /version HTTP/1.1\r\nX-Request-Id: abc-1\r\n\r\n");
  Response told = client.read_response();
  EXPECT_EQ(told.headers["X-Request-Id"], "abc-1");
  EXPECT_EQ(told.headers.count("X-Region"), 0u);
  client.send("GET /version HTTP/1.1\r\nX-Request-Id: " + std::string(129, 'a') + "\r\n\r\n");
  EXPECT_EQ(client.read_response().headers["X-Request-Id"].size(), 32u);
  client.send("GET /version HTTP/1.1\r\nX-Request-Id: a b\r\n\r\n");
  EXPECT_EQ(client.read_response().headers["X-Request-Id"].size(), 32u);
}

TEST_F(HttpServerTest, ARegionStandsInEveryHead) {
  settings.region = "eu-west-1";
  EXPECT_EQ(get("/version").headers["X-Region"], "eu-west-1");
  EXPECT_EQ(get("/nothing").headers["X-Region"], "eu-west-1");
  Client client(port());
  client.post("/v1/completions", R"({"model": "demo", "prompt": "a", "stream": true})");
  const auto generation = service->next();
  generation->accept({});
  EXPECT_EQ(client.read_head().headers["X-Region"], "eu-west-1");
  generation->finish(0);
  generation->end({});
  client.read_until("[DONE]");
}

TEST_F(HttpServerTest, ARequestsOwnIdIsEchoedToo) {
  Client client(port());
  client.post("/v1/chat/completions",
              R"({"model": "demo", "messages": [{"role": "user", "content": "hi"}], "request_id": "mine-7"})",
              "X-Request-Id: other\r\n");
  const auto generation = service->next();
  generation->finish(0);
  generation->end({});
  Response response = client.read_response();
  EXPECT_EQ(response.headers["X-Request-Id"], "mine-7");
  EXPECT_EQ(response.json()["id"], "chatcmpl-mine-7");
}

TEST_F(HttpServerTest, PipelinedRequestsAreAnsweredInOrder) {
  Client client(port());
  client.send(
      "GET /version HTTP/1.1\r\n\r\nGET /nothing HTTP/1.1\r\n\r\nGET /health HTTP/1.1\r\nConnection: "
      "close\r\n\r\n");
  EXPECT_EQ(client.read_response().status, 200);
  EXPECT_EQ(client.read_response().status, 404);
  Response last = client.read_response();
  EXPECT_EQ(last.status, 200);
  EXPECT_EQ(last.headers["Connection"], "close");
  EXPECT_TRUE(client.at_end());
}

TEST_F(HttpServerTest, Http10ClosesUnlessAskedNotTo) {
  Client client(port());
  client.send("GET /version HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(client.read_response().headers["Connection"], "keep-alive");
  client.send("GET /version HTTP/1.0\r\n\r\n");
  EXPECT_EQ(client.read_response().status, 200);
  EXPECT_TRUE(client.at_end());
}

TEST_F(HttpServerTest, AHalfClosedClientStillGetsItsAnswer) {
  Client client(port());
  client.get("/version");
  client.half_close();
  EXPECT_EQ(client.read_response().status, 200);
  EXPECT_TRUE(client.at_end());
}

TEST_F(HttpServerTest, GarbageIsRefused) {
  EXPECT_EQ(refused("\x16\x03\x01\x02\x01garbage\r\n\r\n").status, 400);
  EXPECT_EQ(refused("GET / HTTP/9.9\r\n\r\n").status, 400);
  EXPECT_EQ(refused("GET /version HTTP/1.1\r\nbad header\r\n\r\n").status, 400);
  EXPECT_EQ(refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").status, 400);
  EXPECT_EQ(code_of(refused("GET /ver", true)), "incomplete_request");
}

TEST_F(HttpServerTest, AmbiguousLengthsAreRefused) {
  EXPECT_EQ(
      refused("POST /v1/completions HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}").status,
      400);
  EXPECT_EQ(
      refused("POST /v1/completions HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}")
          .status,
      400);
  EXPECT_EQ(refused("POST /v1/completions HTTP/1.1\r\nContent-Length: -1\r\n\r\n").status, 400);
  EXPECT_EQ(refused("POST /v1/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n").status, 400);
  EXPECT_EQ(refused("POST /v1/completions HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nxx")
                .status,
            400);
}

TEST_F(HttpServerTest, ABodyThatEndsEarlyIsRefused) {
  EXPECT_EQ(code_of(refused("POST /v1/completions HTTP/1.1\r\nContent-Length: 9\r\n\r\n{}", true)),
            "incomplete_request");
}

TEST_F(HttpServerTest, LargeBodiesAre413) {
  settings.connection.body_size = {1000};
  Response response =
      refused("POST /v1/completions HTTP/1.1\r\nContent-Length: 1001\r\n\r\n" + std::string(1001, ' '));
  EXPECT_EQ(response.status, 413);
  EXPECT_EQ(response.json()["error"]["type"], "invalid_request_error");
  const auto of = [&](const char* path) {
    return refused(std::string("POST ") + path + " HTTP/1.1\r\nContent-Length: 1001\r\n\r\n" +
                   std::string(1001, ' '));
  };
  EXPECT_EQ(of("/v1/messages").json()["error"]["type"], "request_too_large");
  EXPECT_EQ(of("/generate").json()["error_type"], "validation");
  EXPECT_TRUE(of("/api/chat").json()["error"].is_string());
  EXPECT_EQ(of("/nowhere").status, 413);
  response = refused("POST /v1/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" +
                     std::string(1001, ' ') + "\r\n0\r\n\r\n");
  EXPECT_EQ(response.status, 413);
  Client client(port());
  client.post("/v1/completions", std::string(1000, ' '));
  EXPECT_EQ(code_of(client.read_response()), "invalid_json");  // it fits
}

TEST_F(HttpServerTest, ABodyFarOverTheLimitStillGetsItsAnswer) {
  settings.connection.body_size = {1000};
  Client client(port());
  client.post("/v1/completions", std::string(8 << 20, ' '));
  EXPECT_EQ(client.read_response().status, 413);
}

TEST_F(HttpServerTest, LargeOrManyHeadersAre431) {
  settings.connection.header_size = {1000};
  settings.connection.headers = 3;
  EXPECT_EQ(code_of(refused("GET /version HTTP/1.1\r\nA: " + std::string(1000, 'a') + "\r\n\r\n")),
            "headers_too_large");
  EXPECT_EQ(refused("GET /" + std::string(2000, 'a')).status, 431);
  Client client(port());
  client.send("GET /version HTTP/1.1\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n");
  Response response = client.read_response();
  EXPECT_EQ(response.status, 431);
  EXPECT_EQ(code_of(response), "too_many_headers");
  client.send("GET /version HTTP/1.1\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n");
  EXPECT_EQ(client.read_response().status, 200);
}

TEST_F(HttpServerTest, SlowHeadersAre408) {
  settings.connection.header_timeout = milliseconds(50);
  Response response = refused("GET /version HT");
  EXPECT_EQ(response.status, 408);
  EXPECT_EQ(response.json()["error"]["type"], "timeout_error");
}

TEST_F(HttpServerTest, SlowBodiesAre408) {
  settings.connection.body_timeout = milliseconds(50);
  EXPECT_EQ(refused("POST /v1/completions HTTP/1.1\r\nContent-Length: 9\r\n\r\n{").status, 408);
}

TEST_F(HttpServerTest, SilentConnectionsAreClosedWithoutAWord) {
  settings.connection.header_timeout = settings.connection.idle_timeout = milliseconds(50);
  Client fresh(port());
  EXPECT_TRUE(fresh.at_end());
  Client used(port());
  used.get("/version");
  EXPECT_EQ(used.read_response().status, 200);
  EXPECT_TRUE(used.at_end());
}

TEST_F(HttpServerTest, TooManyConnectionsAre503) {
  settings.connection.connections = 1;
  Client first(port());
  first.get("/version");
  EXPECT_EQ(first.read_response().status, 200);
  {
    Client second(port());
    Response response = second.read_response();
    EXPECT_EQ(response.status, 503);
    EXPECT_EQ(code_of(response), "too_many_connections");
    EXPECT_EQ(response.headers["Retry-After"], "5");
    EXPECT_TRUE(second.at_end());
  }
  first.get("/version");
  EXPECT_EQ(first.read_response().status, 200);
}

TEST_F(HttpServerTest, OnlySoManyAreToldThatThereAreTooManyConnections) {
  settings.connection.connections = 1;
  settings.connection.linger_timeout = ScriptedGeneration::deadline;
  Client served(port());
  served.get("/version");
  EXPECT_EQ(served.read_response().status, 200);
  std::deque<Client> told;  // and they stay
  while (told.size() < HttpServer::refused_connections)
    EXPECT_EQ(told.emplace_back(port()).read_response().status, 503);
  Client one_more(port());
  EXPECT_TRUE(one_more.at_end());
}

TEST_F(HttpServerTest, TooManyConnectionsOfAnAddressAre429) {
  settings.connection.connections_per_address = 1;
  {
    Client first(port());
    first.get("/version");
    EXPECT_EQ(first.read_response().status, 200);
    Client second(port());
    Response response = second.read_response();
    EXPECT_EQ(response.status, 429);
    EXPECT_EQ(code_of(response), "too_many_connections");
    EXPECT_EQ(response.headers["Retry-After"], "5");
  }
  for (int status = 0; status != 200;) status = get("/version").status;  // once both are forgotten
}

TEST_F(HttpServerTest, ApiKeysGuardAllButProbes) {
  settings.api_keys = {"k1", "k2"};
  EXPECT_EQ(get("/health").status, 200);
  Response response = get("/v1/models");
  EXPECT_EQ(response.status, 401);
  EXPECT_EQ(response.headers["WWW-Authenticate"], "Bearer");
  EXPECT_EQ(response.json()["error"]["type"], "authentication_error");
  EXPECT_EQ(code_of(response), "invalid_api_key");
  Client client(port());
  client.send("GET /v1/models HTTP/1.1\r\nAuthorization: Bearer k2\r\n\r\n");
  EXPECT_EQ(client.read_response().status, 200);
  client.send("GET /metrics HTTP/1.1\r\nAuthorization: Bearer k1\r\n\r\n");
  EXPECT_EQ(client.read_response().status, 200);
  client.post("/v1/completions", "{}", "Authorization: Bearer k3\r\n");
  EXPECT_EQ(client.read_response().status, 401);
}

TEST_F(HttpServerTest, OperatorsControlTheReplicaWhereItIsPermitted) {
  EXPECT_TRUE(get("/v1/replica").json()["last_fault"].is_null());
  Client without(port());
  without.post("/v1/replica/drill", R"({"kind": "crash_worker"})");
  EXPECT_EQ(without.read_response().status, 404);
  server.reset();
  settings.replica_control = true;
  settings.api_keys = {"k1"};
  Client stranger(port()), with(port());
  stranger.post("/v1/replica/drill", R"({"kind": "crash_worker"})");
  EXPECT_EQ(stranger.read_response().status, 401);
  EXPECT_TRUE(service->drills().empty());
  with.post("/v1/replica/drill", R"({"kind": "crash_worker"})", "Authorization: Bearer k1\r\n");
  EXPECT_EQ(with.read_response().status, 202);
  EXPECT_EQ(service->drills().size(), 1u);
}

TEST_F(HttpServerTest, ContinuesWhenAskedAndOnlyForABodyThatItWants) {
  Client client(port());
  client.send("POST /v1/completions HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("{}");
  EXPECT_EQ(code_of(client.read_response()), "missing_required_parameter");
  client.send("POST /nothing HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_response().status, 404);
  EXPECT_TRUE(client.at_end());
}

TEST_F(HttpServerTest, ChunkedBodiesAreRead) {
  Client client(port());
  client.send(
      "POST /v1/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\n{\r\n1\r\n}\r\n0\r\nT: "
      "1\r\n\r\n");
  EXPECT_EQ(code_of(client.read_response()), "missing_required_parameter");
  client.get("/version");
  EXPECT_EQ(client.read_response().status, 200);
}

TEST_F(HttpServerTest, BadJsonIs400AndTheConnectionLivesOn) {
  Client client(port());
  for (const char* body : {"", "{", "[1]", "\xff"}) {
    client.post("/v1/chat/completions", body);
    Response response = client.read_response();
    EXPECT_EQ(response.status, 400);
    EXPECT_EQ(code_of(response), "invalid_json");
  }
}

TEST_F(HttpServerTest, ContentTypeDoesNotMatter) {
  Client client(port());
  client.post("/v1/completions", "{}", "Content-Type: text/plain\r\n");
  EXPECT_EQ(code_of(client.read_response()), "missing_required_parameter");
}

TEST_F(HttpServerTest, AServiceThatThrowsIsA500) {
  service->throws = true;
  Client client(port());
  client.post("/v1/completions", R"({"model": "demo", "prompt": "x"})");
  Response response = client.read_response();
  EXPECT_EQ(response.status, 500);
  EXPECT_EQ(response.json()["error"]["type"], "server_error");
  EXPECT_TRUE(client.at_end());
}

TEST_F(HttpServerTest, RequestsMayComeByteByByte) {
  Client client(port());
  for (const char byte : std::string("GET /version HTTP/1.1\r\n\r\n")) client.send(std::string(1, byte));
  EXPECT_EQ(client.read_response().status, 200);
}

TEST_F(HttpServerTest, APortInUseIsAnError) {
  config::EdgeSettings same = settings;
  same.port = port();
  try {
    HttpServer second(same, "1.2.3", service);
    FAIL() << "it listens, too";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("127.0.0.1:" + std::to_string(same.port)), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("--port"), std::string::npos);
  }
  same.host = "no.such.host.invalid";
  EXPECT_THROW(HttpServer(same, "1.2.3", service), Error);
}

TEST_F(HttpServerTest, StopClosesIdleConnectionsAndIsIdempotent) {
  Client idle(port()), used(port());
  used.get("/version");
  EXPECT_EQ(used.read_response().status, 200);
  server->stop();
  server->stop();
  EXPECT_TRUE(idle.at_end());
  EXPECT_TRUE(used.at_end());
  EXPECT_THROW(Client{server->port()}, std::runtime_error);
}

TEST_F(HttpServerTest, AnyBytesAreAnsweredOrClosedAndTheServerLivesOn) {
  settings.connection.idle_timeout = milliseconds(200);
  port();
  rc::check([&] {
    const auto prefix = *rc::gen::element<std::string>(
        "", "GET ", "GET /version HTTP/1.1\r\n", "POST /v1/completions HTTP/1.1\r\n",
        "POST /v1/completions HTTP/1.1\r\nContent-Length: 5\r\n\r\n");
    Client client(port());
    client.send(prefix + *rc::gen::arbitrary<std::string>());
    client.half_close();
    const std::string answer = client.read_to_end();
    RC_ASSERT(answer.empty() || answer.starts_with("HTTP/1."));
  });
  EXPECT_EQ(get("/version").status, 200);
}

}  // namespace
}  // namespace troupe::actors::edge
