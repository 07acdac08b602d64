// Callers as clients meet them: over HTTP.
#include "actors/edge/callers/callers.hpp"

#include <gmock/gmock.h>

#include <csignal>

#include "actors/edge/routes.hpp"
#include "runtime/base/digest.hpp"
#include "tests/actors/edge/http_server_fixture.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::actors::edge {
namespace {

using ::testing::HasSubstr;

// A caller whose key is its name.
std::string caller(const std::string& name, const std::string& fields = "") {
  return "[[caller]]\nname = \"" + name + "\"\n" + fields + "\n[[caller.key]]\nsha256 = \"" +
         sha256_hex(name) + "\"\n";
}

constexpr const char* completion = R"({"model": "demo", "prompt": "a", "max_tokens": 20})";

struct CallersTest : HttpServerFixture {
  TemporaryFolder folder;

  void write_keys(const std::string& text) {
    settings.api_keys_file = folder.write("keys.toml", text).string();
  }
  Response ask(std::string_view method, std::string_view target, std::string_view key,
               std::string_view body = "", std::string_view headers = "") {
    Client client(port());
    client.send(request(method, target, key, body, headers));
    return client.read_response(method != "HEAD");
  }
  static std::string request(std::string_view method, std::string_view target, std::string_view key,
                             std::string_view body, std::string_view headers = "") {
    std::string text = std::string(method) + " " + std::string(target) + " HTTP/1.1\r\nHost: t\r\n";
    if (!key.empty()) text += "Authorization: Bearer " + std::string(key) + "\r\n";
    return text + "Content-Length: " + std::to_string(body.size()) + "\r\n" + std::string(headers) + "\r\n" +
           std::string(body);
  }
  // Answers one completion.
  Response complete(std::string_view key,
                    runtime::Usage usage = {.prompt_tokens = 1, .completion_tokens = 1}) {
    Client client(port());
    client.send(request("POST", "/v1/completions", key, completion));
    const auto generation = service->next();
    if (const auto paid = generation->count(usage.prompt_tokens, 20); !paid)
      generation->fail(paid.error());
    else
      finish(*generation, usage);
    return client.read_response();
  }
  static void finish(ScriptedGeneration& generation, runtime::Usage usage) {
    generation.accept({.prompt_tokens = usage.prompt_tokens});
    generation.finish(0);
    generation.end(usage);
  }
  // Until the server has taken the new file up.
  void wait_for(std::string_view key, int status) {
    for (const auto end = now() + ScriptedGeneration::deadline; now() < end;)
      if (ask("GET", "/v1/models", key).status == status) return;
    FAIL() << "the keys are as they were";
  }
};

// Every route there is: none but probes answers without a key, or to a key of another class.
TEST_F(CallersTest, EveryRouteButProbesNeedsAKeyOfItsClass) {
  settings.replica_control = true;
  write_keys(caller("user") + caller("watch", "class = \"metrics\"") +
             caller("operator", "class = \"control\""));
  for (const Endpoint* each : all_endpoints()) {
    std::string path(each->path.substr(0, each->path.find('{')));
    if (path != each->path) path += "x";
    const std::string method(each->allow.substr(0, each->allow.find(',')));
    const auto status = [&](std::string_view key) {
      const int got = ask(method, path, key, "?").status;  // what is no body gets no further than that
      return got == 401 || got == 403 ? got : 0;
    };
    const bool probe = each->key == KeyClass::none, metrics = each->key == KeyClass::metrics,
               control = each->key == KeyClass::control, inference = each->key == KeyClass::inference;
    SCOPED_TRACE(method + " " + path);
    EXPECT_EQ(status(""), probe ? 0 : 401);
    EXPECT_EQ(status("stranger"), probe ? 0 : 401);
    EXPECT_EQ(status("user"), probe || inference ? 0 : 403);
    EXPECT_EQ(status("watch"), probe || metrics ? 0 : 403);
    EXPECT_EQ(status("operator"), probe || metrics || control ? 0 : 403);
  }
}

TEST_F(CallersTest, RefusalsAreInOpenAisWords) {
  write_keys(caller("user", "models = [\"other\"]"));
  const auto none = ask("GET", "/v1/models", "").json()["error"],
             wrong = ask("GET", "/v1/models", "x").json()["error"];
  EXPECT_THAT(none["message"].get<std::string>(), HasSubstr("You didn't provide an API key."));
  EXPECT_EQ(wrong["message"], "Incorrect API key provided.");
  for (const auto& error : {none, wrong}) {
    EXPECT_EQ(error["code"], "invalid_api_key");
    EXPECT_TRUE(error["param"].is_null());
  }
  const auto metrics = ask("GET", "/metrics", "user").json()["error"];
  EXPECT_THAT(metrics["message"].get<std::string>(), HasSubstr("insufficient permissions"));
  const Response model = ask("POST", "/v1/completions", "user", completion);
  EXPECT_EQ(model.status, 403);
  EXPECT_EQ(model.json()["error"]["message"], "Caller 'user' does not have access to model 'demo'.");
  EXPECT_EQ(model.json()["error"]["code"], "model_not_found");
}

// The names are "demo" and "org/demo two".
TEST_F(CallersTest, PagesNameTheModelsThatACallerMayUse) {
  write_keys(caller("one", "models = [\"demo\"]") + caller("two", "models = [\"org/demo two\"]") +
             caller("all") + caller("none", "models = [\"other\"]"));
  for (const char* page : {"/openapi.json", "/v1/models", "/api/tags", "/api/ps", "/server_info"}) {
    const auto names = [&](std::string_view key, std::string_view name) {
      const Response response = ask("GET", page, key);
      EXPECT_EQ(response.status, 200) << page << " " << key;
      const std::string quoted = "\"" + std::string(name);
      return response.body.find(quoted + "\"") != std::string::npos ||
             response.body.find(quoted + ":latest\"") != std::string::npos;
    };
    for (const auto& [key, demo, two] : {std::tuple{"one", true, false},
                                         {"two", false, true},
                                         {"all", true, true},
                                         {"none", false, false}}) {
      EXPECT_EQ(names(key, "demo"), demo) << page << " " << key;
      EXPECT_EQ(names(key, "org/demo two"), two) << page << " " << key;
    }
  }
}

TEST_F(CallersTest, PagesKnowNoModelThatACallerMayNotUse) {
  write_keys(caller("one", "models = [\"demo\"]") + caller("none", "models = [\"other\"]"));
  const std::string rest = R"("messages": [{"role": "user", "content": "a"}], "input": "a", "tokens": [1]})";
  for (const char* page : {"/api/show", "/tokenize", "/detokenize", "/v1/messages/count_tokens"}) {
    const auto asked = [&](std::string_view key, const std::string& name) {
      return ask("POST", page, key, "{\"model\": \"" + name + "\", " + rest);
    };
    EXPECT_EQ(asked("one", "demo").status, 200) << page;
    for (const auto& [key, name] : {std::pair{"one", "org/demo two"}, {"none", "demo"}}) {
      const Response refused = asked(key, name), unknown = asked(key, "unknown");
      EXPECT_EQ(refused.status, 404) << page;
      std::string expected = unknown.json()["error"].dump();
      expected.replace(expected.find("unknown"), std::string_view("unknown").size(), name);
      EXPECT_EQ(refused.json()["error"].dump(), expected) << "as one that is not served";
    }
  }
}

TEST(MayUse, NamesThatDifferByTheTagLatestAreOfOneModel) {
  const config::Caller plain{.name = "a", .models = {"demo"}}, tagged{.name = "b", .models = {"demo:latest"}};
  for (const config::Caller& caller : {plain, tagged}) {
    EXPECT_TRUE(may_use(&caller, "demo") && may_use(&caller, "demo:latest"));
    EXPECT_FALSE(may_use(&caller, "demo:7b") || may_use(&caller, "other"));
  }
}

TEST_F(CallersTest, LimitsStandInEveryAnswer) {
  write_keys(caller("user", "requests-per-minute = 3\ntokens-per-minute = 1000"));
  Response page = ask("GET", "/v1/models", "user");
  EXPECT_EQ(page.headers["x-ratelimit-limit-requests"], "3");
  EXPECT_EQ(page.headers["x-ratelimit-remaining-requests"], "2");
  EXPECT_EQ(page.headers["x-ratelimit-limit-tokens"], "1000");
  EXPECT_EQ(page.headers["x-ratelimit-remaining-tokens"], "1000");
  EXPECT_EQ(page.headers["x-ratelimit-reset-tokens"], "0ms");
  EXPECT_EQ(ask("GET", "/nothing", "user").headers.count("x-ratelimit-limit-requests"),
            0u);  // nobody asked who it is
  EXPECT_EQ(ask("GET", "/v1/models", "x").headers.count("x-ratelimit-limit-tokens"), 0u);
  ask("GET", "/v1/models", "user");
  ask("GET", "/v1/models", "user");
  Response refused = ask("GET", "/v1/models", "user");
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.json()["error"]["code"], "rate_limit_exceeded");
  EXPECT_EQ(refused.headers["x-ratelimit-remaining-requests"], "0");
  const int wait = std::stoi(refused.headers["Retry-After"]);
  EXPECT_TRUE(wait >= 1 && wait <= 20) << wait;
}

TEST_F(CallersTest, TokensAreChargedAndWhatWasNotUsedComesBack) {
  write_keys(caller("user", "tokens-per-minute = 100"));
  const auto left = [](Response& response) {
    return std::stoi(response.headers["x-ratelimit-remaining-tokens"]);
  };
  Response whole = complete("user", {.prompt_tokens = 30, .completion_tokens = 5});
  EXPECT_EQ(whole.status, 200);
  EXPECT_GE(left(whole), 65);  // a little fills in meanwhile
  EXPECT_LT(left(whole), 100);
  // A stream's head tells what is left while it may still take all that it was promised.
  Client client(port());
  client.send(request("POST", "/v1/completions", "user",
                      R"({"model": "demo", "prompt": "a", "max_tokens": 20, "stream": true})"));
  const auto generation = service->next();
  EXPECT_TRUE(generation->count(10, 20));
  generation->accept({.prompt_tokens = 10});
  Response head = client.read_head();
  EXPECT_LT(left(head), 70);
  Response refused = complete("user", {.prompt_tokens = 90, .completion_tokens = 5});
  EXPECT_EQ(refused.status, 429);
  EXPECT_THAT(refused.json()["error"]["message"].get<std::string>(), HasSubstr("Request too large"));
  refused = complete("user", {.prompt_tokens = 80, .completion_tokens = 5});
  EXPECT_EQ(refused.status, 429);
  EXPECT_THAT(refused.json()["error"]["message"].get<std::string>(),
              HasSubstr("on tokens per min (TPM): Limit 100"));
  EXPECT_GE(std::stoi(refused.headers["Retry-After"]), 1);
  generation->finish(0);
  generation->end({.prompt_tokens = 10, .completion_tokens = 1});
  client.read_until("[DONE]");
}

TEST_F(CallersTest, GenerationsAreTheCallers) {
  write_keys(caller("user", "max-tokens = 50\npriority = 3") + caller("other", "shares-prefix-cache = true"));
  const auto asked = [&](std::string_view key, std::string_view body) {
    Client client(port());
    client.send(request("POST", "/v1/completions", key, body));
    const auto generation = service->next();
    finish(*generation, {});
    client.read_response();
    return generation->request;
  };
  const auto plain = asked("user", R"({"model": "demo", "prompt": "a", "priority": -9})");
  EXPECT_EQ(plain.caller, "user");
  EXPECT_EQ(plain.cache_salt, "of user ");
  EXPECT_EQ(plain.priority, 3);
  EXPECT_EQ(plain.most_tokens, 50);
  const auto narrowed =
      asked("user", R"({"model": "demo", "prompt": "a", "cache_salt": "s", "priority": 7})");
  EXPECT_EQ(narrowed.cache_salt, "of user s");
  EXPECT_EQ(narrowed.priority, 7);
  EXPECT_EQ(asked("other", R"({"model": "demo", "prompt": "a"})").cache_salt, "");
  const auto imitation = asked("other", R"({"model": "demo", "prompt": "a", "cache_salt": "of user "})");
  EXPECT_EQ(imitation.cache_salt, "shared of user ");
  EXPECT_EQ(imitation.priority, 0);
  EXPECT_FALSE(imitation.most_tokens);
  const Response large =
      ask("POST", "/v1/completions", "user", R"({"model": "demo", "prompt": "a", "max_tokens": 51})");
  EXPECT_EQ(large.status, 400);
  EXPECT_EQ(large.json()["error"]["param"], "max_tokens");
}

TEST_F(CallersTest, WithoutKeysNothingChanges) {
  Client client(port());
  client.send(
      request("POST", "/v1/completions", "", R"({"model": "demo", "prompt": "a", "cache_salt": "s"})"));
  const auto generation = service->next();
  EXPECT_EQ(generation->request.cache_salt, "s");
  EXPECT_EQ(generation->request.caller, "");
  finish(*generation, {});
  EXPECT_EQ(client.read_response().headers.count("x-ratelimit-limit-tokens"), 0u);
}

TEST_F(CallersTest, SomeGenerationsAtATime) {
  write_keys(caller("user", "concurrent = 1"));
  Client client(port());
  client.send(request("POST", "/v1/completions", "user", completion));
  const auto generation = service->next();
  const Response second = ask("POST", "/v1/completions", "user", completion);
  EXPECT_EQ(second.status, 429);
  EXPECT_THAT(second.json()["error"]["message"].get<std::string>(),
              HasSubstr("concurrent requests: Limit 1"));
  finish(*generation, {});
  EXPECT_EQ(client.read_response().status, 200);
  client.send(request("POST", "/v1/completions", "user", completion));
  finish(*service->next(), {});
  EXPECT_EQ(client.read_response().status, 200);
}

TEST_F(CallersTest, AnAddressHasLimitsAndAProxySpeaksForIt) {
  settings.shared_limits.requests_per_address = 2;
  settings.shared_limits.trusted_proxies = {"127.0.0.1"};
  const auto status = [&](const char* forwarded) {
    return ask("GET", "/v1/models", "", "", std::string("X-Forwarded-For: ") + forwarded + "\r\n").status;
  };
  EXPECT_EQ(status("192.0.2.1"), 200);
  EXPECT_EQ(status("192.0.2.1"), 200);
  EXPECT_EQ(status("192.0.2.1"), 429);
  EXPECT_EQ(status("192.0.2.2"), 200);
  EXPECT_EQ(status("192.0.2.3\r\nX-Forwarded-For: 192.0.2.1"), 429);  // proxies may add a line of their own
  for (int i = 0; i < 3; ++i) EXPECT_EQ(get("/health").status, 200);  // probes are not counted
  EXPECT_EQ(get("/v1/models").headers["x-ratelimit-limit-requests"], "2");
}

TEST_F(CallersTest, TheServersTokensHaveALimit) {
  settings.shared_limits.tokens_per_minute = 40;
  EXPECT_EQ(complete("", {.prompt_tokens = 10, .completion_tokens = 20}).status, 200);
  Response full = complete("", {.prompt_tokens = 10, .completion_tokens = 20});
  EXPECT_EQ(full.status, 503);
  EXPECT_GE(std::stoi(full.headers["Retry-After"]), 1);
}

TEST_F(CallersTest, KeysAreReadAgainWhenTheirFileChanges) {
  write_keys(caller("user"));
  Client client(port());
  client.send(request("POST", "/v1/completions", "user",
                      R"({"model": "demo", "prompt": "a", "max_tokens": 20, "stream": true})"));
  const auto generation = service->next();
  generation->accept({.prompt_tokens = 1});
  EXPECT_EQ(client.read_head().status, 200);
  write_keys(caller("other"));
  wait_for("other", 200);
  EXPECT_EQ(ask("GET", "/v1/models", "user").status, 401);
  generation->text(0, "still here");  // the stream goes on
  client.read_until("still here");
  finish(*generation, {});
  client.read_until("[DONE]");
}

TEST_F(CallersTest, KeysAreReadAgainOnASignalAndMistakesChangeNothing) {
  write_keys(caller("user"));
  EXPECT_EQ(ask("GET", "/v1/models", "user").status, 200);
  write_keys(caller("other"));
  raise(SIGHUP);
  wait_for("other", 200);
  write_keys("[[caller]");
  raise(SIGHUP);
  EXPECT_EQ(ask("GET", "/v1/models", "other").status, 200);
  write_keys(caller("user"));
  raise(SIGHUP);
  wait_for("user", 200);
}

TEST_F(CallersTest, AFileThatIsJustBeingWrittenIsNotReadYet) {
  write_keys(caller("user"));
  Callers callers(settings);
  const auto knows = [&](const std::string& key) {
    Visit visit = callers.visit(net::ip::make_address("127.0.0.1"), {});
    return bool(callers.admit(visit, {.authorization = {}, .x_api_key = key, .forwarded_for = {}},
                              config::KeyClass::inference, now()));
  };
  write_keys("");  // as an editor does that empties a file before it writes
  callers.reload_if_changed();
  EXPECT_TRUE(knows("user"));
  write_keys(caller("user") + caller("other"));
  callers.reload_if_changed();
  EXPECT_FALSE(knows("other"));
  callers.reload_if_changed();
  EXPECT_TRUE(knows("user") && knows("other"));
}

TEST_F(CallersTest, AServerDoesNotStartWithKeysThatItCannotRead) {
  settings.api_keys_file = (folder.path() / "none.toml").string();
  EXPECT_THROW(port(), Error);
  write_keys("[[caller]");
  EXPECT_THROW(port(), Error);
  settings.api_keys_file = {};
  settings.shared_limits.trusted_proxies = {"proxy"};
  EXPECT_THROW(port(), Error);
}

TEST(CacheSalt, NoCallerCanChooseAnothers) {
  const config::Caller a{.name = "a"}, ab{.name = "ab"}, sharing{.name = "s", .shares_prefix_cache = true};
  EXPECT_NE(cache_salt(a, "b x"), cache_salt(ab, " x"));
  EXPECT_NE(cache_salt(sharing, cache_salt(a, "x")), cache_salt(a, "x"));
  EXPECT_EQ(cache_salt(sharing, ""), "");
  EXPECT_NE(cache_salt(sharing, "x"), cache_salt(sharing, "y"));
}

}  // namespace
}  // namespace troupe::actors::edge
