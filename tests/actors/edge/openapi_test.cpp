#include "actors/edge/openapi.hpp"

#include "actors/edge/routes.hpp"
#include "tests/actors/edge/http_server_fixture.hpp"
#include "tests/actors/edge/mutations.hpp"

namespace troupe::actors::edge {
namespace {

struct OpenApi : HttpServerFixture {
  Json document() { return Json::parse(get("/openapi.json").body); }
  Json document(const std::string& key) {
    Client client(port());
    client.send("GET /openapi.json HTTP/1.1\r\nAuthorization: Bearer " + key + "\r\n\r\n");
    return Json::parse(client.read_response().body);
  }
  static Json properties_of(const Json& document, const char* path) {
    return document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
                   ["properties"];
  }
  static Json required_of(const Json& document, const char* path) {
    return document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
                   ["required"];
  }
  static std::vector<std::string> answers_of(const Json& document, const char* path, const char* method) {
    std::vector<std::string> statuses;
    for (const auto& [status, answer] : document["paths"][path][method]["responses"].items())
      statuses.push_back(status);
    std::ranges::sort(statuses);
    return statuses;
  }
};

Json example_of(const Endpoint& endpoint, const ModelInfo& model) {
  Json example = Json::parse(endpoint.example);
  if (example.contains("model")) example["model"] = model.names.front();
  return example;
}

TEST_F(OpenApi, NamesEachEndpointAndWhatMayBeDoneThere) {
  const Json paths = document()["paths"];
  for (const Endpoint* each : all_endpoints()) {
    const bool described = std::ranges::any_of(all_endpoints(), [&](const Endpoint* other) {
      return other->path == each->path && !other->replica_control;
    });
    EXPECT_EQ(paths.contains(each->path), described) << each->path;
    if (!described) continue;
    // Two protocols may share a path, each with a method of its own.
    const auto may = [&](std::string_view method) {
      return std::ranges::any_of(all_endpoints(), [&](const Endpoint* other) {
        return other->path == each->path && allows(*other, method);
      });
    };
    EXPECT_EQ(paths[each->path].contains("get"), may("GET")) << each->path;
    EXPECT_EQ(paths[each->path].contains("post"), may("POST")) << each->path;
    EXPECT_EQ(paths[each->path].contains("delete"), may("DELETE")) << each->path;
  }
}

TEST_F(OpenApi, ControlIsDescribedWhereItIsPermitted) {
  settings.replica_control = true;
  EXPECT_EQ(properties_of(document(), "/v1/replica/drill")["rank"].dump(),
            R"({"type":["integer","null"],"minimum":0,"maximum":1023})");
  const Json scheduler = document()["paths"]["/v1/scheduler"];
  EXPECT_TRUE(scheduler.contains("get") && scheduler.contains("put"));
  const Json& body = scheduler["put"]["requestBody"]["content"]["application/json"]["schema"];
  EXPECT_TRUE(body["properties"].contains("policy") && body["properties"].contains("options")) << body;
  EXPECT_TRUE(scheduler["put"]["responses"].contains("202"));
}

TEST_F(OpenApi, FieldsAreThoseThatTheParserReads) {
  const Json all = document();
  const Json chat = properties_of(all, "/v1/chat/completions");
  EXPECT_EQ(chat["temperature"].dump(), R"({"type":["number","null"],"minimum":0.0,"maximum":100.0})");
  EXPECT_EQ(chat["model"]["enum"].dump(), R"(["demo","org/demo two"])");
  EXPECT_EQ(chat["stream"].dump(), R"({"type":["boolean","null"]})");
  EXPECT_EQ(chat["stop"].dump(), "{}");          // a string or an array
  EXPECT_EQ(chat["messages"]["type"], "array");  // it is required
  const Json message = chat["messages"]["items"]["properties"];
  EXPECT_EQ(message["role"].dump(), R"({"type":["string","null"]})");
  EXPECT_EQ(message["tool_calls"]["items"]["properties"]["function"]["properties"]["name"]["maxLength"], 256);
  EXPECT_EQ(required_of(all, "/v1/chat/completions").dump(), R"(["model","messages"])");
  EXPECT_EQ(required_of(all, "/v1/responses").dump(), R"(["model","input"])");
  EXPECT_EQ(required_of(all, "/v1/messages").dump(), R"(["model","messages","max_tokens"])");
  EXPECT_TRUE(properties_of(all, "/v1/embeddings").contains("input"));
  EXPECT_TRUE(properties_of(all, "/api/embed").contains("input"));
  const Json tokenize = properties_of(all, "/tokenize");
  EXPECT_EQ(tokenize["return_token_strs"].dump(), R"({"type":["boolean","null"]})");
}

// What is required is refused without, and null is no value of it.
TEST_F(OpenApi, RequiredFieldsAreThoseThatAreMissed) {
  const Json all = document();
  for (const Endpoint* each : all_endpoints()) {
    if (!each->generation) continue;
    const std::string path(each->path);
    const Json example = example_of(*each, service->model());
    const Json required = required_of(all, path.c_str());
    for (const auto& [name, value] : example.items()) {
      Json body = example;
      body[name] = nullptr;
      const auto request = each->generation(body, service->model(), {});
      const bool needed = std::ranges::find(required, Json(name)) != required.end();
      const bool missed =
          !request && request.error().code == "missing_required_parameter" && request.error().param == name;
      EXPECT_EQ(needed, missed) << path << " " << name;
      const Json type = properties_of(all, path.c_str())[name].value("type", Json());
      EXPECT_FALSE(needed && type.is_array()) << path << " " << name;
    }
  }
}

TEST_F(OpenApi, AResponseHasNoFieldsOfTheChatThatItIsMadeInto) {
  const Json response = properties_of(document(), "/v1/responses");
  EXPECT_TRUE(response.contains("input") && response.contains("max_output_tokens"));
  EXPECT_TRUE(response.contains("temperature") && response.contains("cache_salt"));
  EXPECT_TRUE(response["tools"]["items"]["properties"].contains("name"));
  for (const char* chats : {"messages", "max_tokens", "response_format", "n", "reasoning_effort"})
    EXPECT_FALSE(response.contains(chats)) << chats;
  EXPECT_FALSE(response["tools"]["items"]["properties"].contains("function"));
}

TEST_F(OpenApi, AnswersAreThoseOfTheProtocol) {
  const Json all = document();
  using Statuses = std::vector<std::string>;
  EXPECT_EQ(answers_of(all, "/v1/chat/completions", "post"),
            (Statuses{"200", "400", "404", "408", "413", "422", "431", "500", "503"}));
  EXPECT_EQ(answers_of(all, "/generate", "post"),
            (Statuses{"200", "400", "408", "413", "422", "424", "429", "431", "500", "503"}));
  EXPECT_EQ(answers_of(all, "/v1/models/{id}", "get"),
            (Statuses{"200", "400", "404", "408", "431", "500", "503"}));
  EXPECT_EQ(answers_of(all, "/v1/streams/{id}", "get"),
            (Statuses{"200", "400", "404", "408", "410", "431", "500", "503"}));
  const auto types = [&](const char* path) {
    return all["paths"][path]["post"]["responses"]["200"]["content"];
  };
  EXPECT_TRUE(types("/v1/completions").contains("application/json"));
  EXPECT_TRUE(types("/v1/completions").contains("text/event-stream"));
  EXPECT_FALSE(types("/generate").contains("text/event-stream"));
  EXPECT_FALSE(types("/generate_stream").contains("application/json"));
  EXPECT_EQ(types("/v1/responses")["application/json"]["schema"]["properties"]["usage"]["required"][0],
            "input_tokens");
}

TEST_F(OpenApi, HeadersOfRetriesAreDescribed) {
  const Json all = document();
  const Json key = all["paths"]["/v1/messages"]["post"]["parameters"];
  ASSERT_EQ(key.size(), 1u);
  EXPECT_EQ(key[0]["name"], "Idempotency-Key");
  EXPECT_EQ(key[0]["schema"]["maxLength"], 255);
  const Json stream = all["paths"]["/v1/streams/{id}"]["get"]["parameters"];
  ASSERT_EQ(stream.size(), 2u);
  EXPECT_EQ(stream[1]["name"], "Last-Event-ID");
}

TEST_F(OpenApi, AKeyIsAskedForWhereOneIsSet) {
  EXPECT_FALSE(document()["paths"]["/v1/models"]["get"].contains("security"));
  server.reset();
  settings.api_keys = {"k"};
  const Json all = document("k");
  EXPECT_EQ(all["paths"]["/v1/models"]["get"]["security"].dump(), R"([{"bearer":[]},{"x-api-key":[]}])");
  for (const char* status : {"401", "403", "429"})
    EXPECT_TRUE(all["paths"]["/v1/models"]["get"]["responses"].contains(status)) << status;
  EXPECT_FALSE(all["paths"]["/health"]["get"].contains("security"));
  EXPECT_EQ(
      all["components"]["securitySchemes"].dump(),
      R"({"bearer":{"type":"http","scheme":"bearer"},"x-api-key":{"type":"apiKey","in":"header","name":"x-api-key"}})");
}

TEST_F(OpenApi, TheModelIsNamedToWhoMayAskForIt) {
  EXPECT_NE(document().dump().find("\"demo\""), std::string::npos);
  server.reset();
  settings.api_keys = {"k"};
  EXPECT_EQ(get("/openapi.json").status, 401);
  EXPECT_NE(document("k").dump().find("\"demo\""), std::string::npos);
}

TEST_F(OpenApi, TellsWhereAProxyHasPutTheServer) {
  EXPECT_FALSE(document().contains("servers"));
  server.reset();
  settings.root_path = "/llm";
  EXPECT_EQ(document()["servers"].dump(), R"([{"url":"/llm"}])");
}

TEST_F(OpenApi, FieldsOfOtherProtocolsAreNone) {
  const Json all = document();
  const Json messages = properties_of(all, "/v1/messages");
  EXPECT_FALSE(messages["tools"]["items"]["properties"].contains("function"));
  EXPECT_FALSE(messages["messages"]["items"]["properties"].contains("tool_calls"));
  EXPECT_FALSE(properties_of(all, "/api/chat")["messages"]["items"]["properties"].contains("function_call"));
}

TEST_F(OpenApi, ExamplesAreValid) {
  for (const Endpoint* each : all_endpoints()) {
    if (!each->generation) continue;
    ASSERT_FALSE(each->example.empty()) << each->path;
    const auto request = each->generation(example_of(*each, service->model()), service->model(), {});
    EXPECT_TRUE(request) << each->path << ": " << request.error().message;
  }
}

// Whatever a field's kind, a parser takes it or names a fault, and an answer that it promises can be made.
TEST_F(OpenApi, FieldsOfTheWrongKindAreRefusals) {
  for (const Endpoint* each : all_endpoints()) {
    if (!each->generation) continue;
    std::size_t refused = 0;
    for (const Json& body : mutations(example_of(*each, service->model()))) {
      const auto request = each->generation(body, service->model(), {});
      if (request)
        EXPECT_TRUE(request->answer({})) << body;
      else
        EXPECT_LT(each->refusal(request.error(), "").status, 500) << body;
      refused += !request;
    }
    EXPECT_GT(refused, 10u) << each->path;
  }
}

TEST_F(OpenApi, PagesToo) {
  for (const auto& [path, valid] : std::initializer_list<std::pair<const char*, Json>>{
           {"/tokenize", {{"prompt", "a"}, {"add_special_tokens", true}, {"return_token_strs", true}}},
           {"/tokenize", {{"model", "demo"}, {"messages", {{{"role", "user"}, {"content", "a"}}}}}},
           {"/detokenize", {{"tokens", {1, 2}}}},
           {"/v1/messages/count_tokens",
            {{"model", "demo"}, {"messages", {{{"role", "user"}, {"content", "a"}}}}}},
           {"/api/show", {{"model", "demo"}}},
           {"/v1/embeddings", {{"model", "demo"}, {"input", "a"}}}})
    for (const Json& body : mutations(valid)) EXPECT_LT(post(path, body.dump()).status, 500) << body;
}

}  // namespace
}  // namespace troupe::actors::edge
