// Anthropic's API over real sockets.
#include "actors/edge/anthropic/endpoints.hpp"

#include <gtest/gtest.h>

#include "tests/actors/edge/http_server_fixture.hpp"

namespace troupe::actors::edge::anthropic {
namespace {

using AnthropicEndpoints = HttpServerFixture;

constexpr const char* request =
    R"({"model": "demo", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]})";

TEST_F(AnthropicEndpoints, AnswersAMessage) {
  Client client(port());
  client.post("/v1/messages?beta=true", request, "X-Request-Id: r-1\r\n");
  const auto generation = service->next();
  EXPECT_EQ(generation->request.id, "msg_r-1");
  generation->text(0, "Hello");
  generation->finish(0);
  generation->end({.prompt_tokens = 4, .completion_tokens = 2});
  Response response = client.read_response();
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers["Request-Id"], "r-1");
  EXPECT_EQ(response.json()["id"], "msg_r-1");
  EXPECT_EQ(response.json()["model"], "demo");
  EXPECT_EQ(response.json()["content"][0]["text"], "Hello");
  EXPECT_EQ(response.json()["usage"]["input_tokens"], 4);
}

TEST_F(AnthropicEndpoints, AStreamBeginsOnceItIsAcceptedAndPingsWhileNothingComes) {
  settings.connection.stream_silence = std::chrono::milliseconds(20);
  Client client(port());
  auto streamed = nlohmann::json::parse(request);
  streamed["stream"] = true;
  client.post("/v1/messages", streamed.dump());
  const auto generation = service->next();
  generation->accept({.prompt_tokens = 4});
  EXPECT_NE(client.read_until("event: ping\n").find(R"("usage":{"input_tokens":4,"output_tokens":0)"),
            std::string::npos);
  generation->fail({RefusalKind::internal, "broken", "", ""});
  EXPECT_NE(client.read_until("\n\n\r\n0\r\n").find("event: error\n"), std::string::npos);
}

TEST_F(AnthropicEndpoints, RefusalsAreInItsWordsWhoeverRefuses) {
  settings.api_keys = {"k1"};
  const auto refused = [&](std::string_view body, std::string_view headers) {
    Client client(port());  // a refused body is not read, and then the connection ends
    client.post("/v1/messages", body, headers);
    const Response response = client.read_response();
    EXPECT_EQ(response.json()["type"], "error") << response.body;
    EXPECT_EQ(response.json()["request_id"], "r-1");
    return std::to_string(response.status) + " " + response.json()["error"]["type"].get<std::string>();
  };
  EXPECT_EQ(refused(request, "X-Request-Id: r-1\r\nX-Api-Key: k2\r\n"), "401 authentication_error");
  const char* with_key = "X-Request-Id: r-1\r\nX-Api-Key: k1\r\n";
  EXPECT_EQ(refused("{", with_key), "400 invalid_request_error");
  EXPECT_EQ(refused("{}", with_key), "400 invalid_request_error");
  EXPECT_EQ(refused(R"({"model": "claude"})", with_key), "404 not_found_error");
  service->is_ready = false;
  EXPECT_EQ(refused(request, with_key), "503 overloaded_error");
}

TEST_F(AnthropicEndpoints, CountsTokens) {
  Client client(port());
  const auto counted = [&](const char* body) {
    client.post("/v1/messages/count_tokens", body, "X-Request-Id: r-1\r\n");
    return client.read_response();
  };
  // The scripted service has a token for each byte of the messages.
  EXPECT_EQ(
      counted(R"({"model": "demo", "messages": [{"role": "user", "content": "hi"}]})").json()["input_tokens"],
      std::string(R"([{"role":"user","content":"hi"}]{})").size());
  Response refused = counted(R"({"model": "demo"})");
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(refused.json()["request_id"], "r-1");
}

TEST_F(AnthropicEndpoints, AQueueThatIsFullIsAnError) {
  Client client(port());
  client.post("/v1/messages", request);
  service->next()->fail({RefusalKind::unavailable, "The queue is full.", "", "queue_full"});
  Response response = client.read_response();
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.headers["Retry-After"], "5");
  EXPECT_EQ(response.json()["error"]["message"], "The queue is full.");
}

}  // namespace
}  // namespace troupe::actors::edge::anthropic
