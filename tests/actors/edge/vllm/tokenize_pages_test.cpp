#include <gtest/gtest.h>

#include "tests/actors/edge/http_server_fixture.hpp"

namespace troupe::actors::edge::vllm {
namespace {

using TokenizePages = HttpServerFixture;

TEST_F(TokenizePages, TellTheTokensOfAPrompt) {
  const Response response = post("/tokenize", R"({"prompt": "ab"})");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, R"({"count":3,"max_model_len":2048,"tokens":[1,97,98],"token_strs":null})");
  EXPECT_EQ(post("/tokenize", R"({"model": "demo", "prompt": "ab", "add_special_tokens": false,
                                  "return_token_strs": true})")
                .body,
            R"({"count":2,"max_model_len":2048,"tokens":[97,98],"token_strs":["entry 97","entry 98"]})");
  EXPECT_EQ(post("/tokenize", R"({"prompt": "", "add_special_tokens": false})").json()["count"], 0);
}

TEST_F(TokenizePages, ReadAChatAsTheChatEndpointDoes) {
  const auto tokens = post("/tokenize", R"({"messages": [{"role": "developer", "content": "x"}],
                                            "chat_template_kwargs": {"thinking": true}})")
                          .json()["tokens"]
                          .get<std::vector<TokenId>>();
  EXPECT_EQ(std::string(tokens.begin(), tokens.end()),
            R"([{"role":"system","content":"x"}]{"thinking":true})");
  EXPECT_EQ(
      post("/tokenize", R"({"messages": [{"role": "user", "content": "x"}], "add_special_tokens": true})")
          .json()["tokens"][0],
      1);
  EXPECT_EQ(post("/tokenize", R"({"messages": [{"role": "user"}]})").json()["error"]["param"],
            "messages[0].content");
}

TEST_F(TokenizePages, TellTheTextOfTokens) {
  EXPECT_EQ(post("/detokenize", R"({"tokens": [104, 105]})").body, R"({"prompt":"hi"})");
  EXPECT_EQ(post("/detokenize", R"({"tokens": []})").body, R"({"prompt":""})");
}

TEST_F(TokenizePages, SayWhatIsWrong) {
  struct Case {
    const char *path, *body, *param;
    int status;
  };
  for (const Case& each : std::initializer_list<Case>{
           {"/tokenize", "{}", "prompt", 400},
           {"/tokenize", R"({"prompt": ["a"]})", "prompt", 400},
           {"/tokenize", R"({"prompt": "a", "messages": [{"role": "user", "content": "x"}]})", "prompt", 400},
           {"/tokenize", R"({"prompt": "a", "add_special_tokens": 1})", "add_special_tokens", 400},
           {"/tokenize", R"({"prompt": "a", "model": "other"})", "model", 404},
           {"/tokenize", R"({"prompt": "far too long"})", "prompt", 400},
           {"/detokenize", "{}", "tokens", 400},
           {"/detokenize", R"({"tokens": "a"})", "tokens", 400},
           {"/detokenize", R"({"tokens": [-1]})", "tokens", 400},
           {"/detokenize", R"({"tokens": [256]})", "tokens", 400},
           {"/detokenize", R"({"tokens": [1], "model": "other"})", "model", 404}}) {
    const Response response = post(each.path, each.body);
    EXPECT_EQ(response.status, each.status) << each.path << each.body;
    EXPECT_EQ(response.json()["error"]["param"], each.param) << each.path << each.body;
  }
  EXPECT_EQ(post("/tokenize", "[]").status, 400);
}

TEST_F(TokenizePages, AFailureOfTheReplicaIsAnError) {
  service->throws = true;
  EXPECT_EQ(post("/tokenize", R"({"prompt": "a"})").status, 500);
}

TEST_F(TokenizePages, WatchersSeeTheServer) {
  for (const Response& ping : {get("/ping"), post("/ping", "")}) EXPECT_EQ(ping.status, 200);
  EXPECT_EQ(get("/load").body, R"({"server_load":3})");
  service->show({.epoch = 2, .state = runtime::ReplicaState::serving, .ranks = {{}, {}}, .last_fault = {}});
  EXPECT_EQ(
      get("/server_info").body,
      R"({"version":"1.2.3","model":"demo-folder","served_model_name":["demo","org/demo two"],)"
      R"("max_model_len":2048,"system_fingerprint":"fp_demo","ranks":2,)"
      R"("layout":{"tensor_parallel_size":1,"data_parallel_size":1,"enable_expert_parallel":false,"experts":0},)"
      R"("state":"serving"})");
  service->is_ready = false;
  for (const Response& ping : {get("/ping"), post("/ping", "")}) EXPECT_EQ(ping.status, 503);
}

}  // namespace
}  // namespace troupe::actors::edge::vllm
