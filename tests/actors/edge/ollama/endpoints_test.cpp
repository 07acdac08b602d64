// Ollama's API over real sockets.
#include "actors/edge/ollama/endpoints.hpp"

#include <gtest/gtest.h>

#include "tests/actors/edge/http_server_fixture.hpp"

namespace troupe::actors::edge::ollama {
namespace {

using OllamaEndpoints = HttpServerFixture;

constexpr const char* chat = R"({"model": "demo:latest", "messages": [{"role": "user", "content": "hi"}]})";

TEST_F(OllamaEndpoints, StreamsLinesUnlessToldNotTo) {
  Client client(port());
  client.post("/api/chat", chat);
  const auto generation = service->next();
  generation->text(0, "a");
  generation->finish(0);
  generation->end({.prompt_tokens = 4, .completion_tokens = 2});
  Response response = client.read_response();
  EXPECT_EQ(response.headers["Content-Type"], "application/x-ndjson");
  EXPECT_EQ(std::count(response.body.begin(), response.body.end(), '\n'), 2);
  const auto last = nlohmann::json::parse(response.body.substr(response.body.find('\n') + 1));
  EXPECT_EQ(last["model"], "demo:latest");
  EXPECT_EQ(last["eval_count"], 2);
  EXPECT_LE(last["prompt_eval_duration"], last["total_duration"]);
}

TEST_F(OllamaEndpoints, ARequestWithoutAPromptIsAnsweredAtOnce) {
  for (const char* body : {R"({"model": "demo"})", R"({"model": "demo", "stream": true, "messages": []})"}) {
    Response response = post("/api/chat", body);
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.headers["Content-Type"], "application/json");
    EXPECT_EQ(response.json()["done_reason"], "load");
  }
  EXPECT_EQ(post("/api/generate", R"({"model": "demo"})").json()["response"], "");
  EXPECT_TRUE(service->idle());
}

TEST_F(OllamaEndpoints, RefusalsAreASentence) {
  EXPECT_EQ(post("/api/chat", R"({"model": "llama3.2"})").body, R"({"error":"model 'llama3.2' not found"})");
  EXPECT_EQ(post("/api/chat", R"({"model": "llama3.2"})").status, 404);
  EXPECT_EQ(post("/api/generate", "{").status, 400);
  EXPECT_TRUE(get("/api/chat").json()["error"].is_string());
  service->is_ready = false;
  EXPECT_EQ(post("/api/chat", chat).status, 503);
}

TEST_F(OllamaEndpoints, ListsItsModels) {
  const auto tags = get("/api/tags").json()["models"];
  ASSERT_EQ(tags.size(), 2u);
  EXPECT_EQ(tags[0]["name"], "demo:latest");
  EXPECT_EQ(tags[0]["modified_at"], "2023-11-14T22:13:20Z");
  EXPECT_EQ(tags[0]["size"], 1000);
  EXPECT_EQ(tags[0]["digest"], "d1ge57");
  EXPECT_EQ(tags[0]["details"]["family"], "DemoForCausalLM");
  EXPECT_EQ(tags[1]["model"], "org/demo two:latest");
  EXPECT_EQ(get("/api/ps").json()["models"][0]["context_length"], 2048);
  service->is_ready = false;
  EXPECT_TRUE(get("/api/ps").json()["models"].empty());
}

TEST_F(OllamaEndpoints, ShowsAModel) {
  for (const char* body : {R"({"model": "demo"})", R"({"name": "demo:latest"})"}) {
    const auto shown = post("/api/show", body).json();
    EXPECT_EQ(shown["model_info"]["general.architecture"], "DemoForCausalLM");
    EXPECT_EQ(shown["model_info"]["DemoForCausalLM.context_length"], 2048);
    EXPECT_EQ(shown["capabilities"].dump(), R"(["completion","tools","thinking"])");
  }
  EXPECT_EQ(post("/api/show", R"({"model": "x"})").status, 404);
  EXPECT_EQ(post("/api/show", R"({"model": 1})").status, 400);
}

TEST_F(OllamaEndpoints, SaysThatItIsThere) {
  settings.api_keys = {"k1"};
  EXPECT_EQ(get("/").body, "Ollama is running");
  for (const char* path : {"/api/version", "/api/tags"}) EXPECT_EQ(get(path).status, 401) << path;
}

TEST_F(OllamaEndpoints, ThereAreNoEmbeddings) {
  for (const char* path : {"/api/embed", "/api/embeddings"}) {
    const Response response = post(path, R"({"model": "demo", "input": "x"})");
    EXPECT_EQ(response.status, 400);
    EXPECT_NE(response.json()["error"].get<std::string>().find("embeddings"), std::string::npos);
  }
}

TEST_F(OllamaEndpoints, ModelsComeAndGoElsewhere) {
  for (const char* path : {"/api/pull", "/api/push", "/api/create", "/api/copy"}) {
    const Response response = post(path, R"({"model": "llama3.2"})");
    EXPECT_EQ(response.status, 404) << path;
    EXPECT_TRUE(response.json()["error"].is_string()) << path;
  }
  Client client(port());
  client.send("DELETE /api/delete HTTP/1.1\r\nContent-Length: 17\r\n\r\n{\"model\": \"demo\"}");
  const Response response = client.read_response();
  EXPECT_EQ(response.status, 404);
  EXPECT_TRUE(response.json()["error"].is_string());
}

TEST_F(OllamaEndpoints, ASecondPortServesTheSame) {
  const std::uint16_t free_port = HttpServer(settings, "1.2.3", service).port();
  settings.ollama_port = free_port;
  port();
  for (const std::uint16_t each : {port(), free_port}) {
    Client client(each);
    client.get("/version");
    EXPECT_EQ(client.read_response().json()["version"], "1.2.3");
  }
  server->stop();
  EXPECT_THROW(Client{free_port}, std::runtime_error);
}

TEST_F(OllamaEndpoints, ASecondPortThatIsInUseIsAnError) {
  HttpServer other(settings, "1.2.3", service);
  settings.ollama_port = other.port();
  try {
    port();
    FAIL() << "it listens, too";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("--ollama-port"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace troupe::actors::edge::ollama
