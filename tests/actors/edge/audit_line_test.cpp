// Each request has one line of the log, whatever becomes of it.
#include "actors/edge/audit_line.hpp"

#include <set>

#include "runtime/base/digest.hpp"
#include "tests/actors/edge/captured_log.hpp"
#include "tests/actors/edge/retries/retries_fixture.hpp"

namespace troupe::actors::edge {
namespace {

struct AuditLineTest : RetriesFixture {
  CapturedLog log;
  TemporaryFolder folder;

  // So many there are, once the server has gone: none is missing, and none comes twice.
  std::vector<nlohmann::json> lines_of_all(std::size_t count) {
    server.reset();
    const auto lines = log.events("http_request");
    EXPECT_EQ(lines.size(), count) << log.text();
    if (lines.size() != count) throw std::runtime_error("not a line for each request");
    return lines;
  }
  // Of the one request that there was.
  nlohmann::json line() { return lines_of_all(1).front(); }

  // A client that leaves once its request is being computed; the server has noticed it.
  std::shared_ptr<ScriptedGeneration> leave(std::string_view body, const std::string& headers = "") {
    const std::size_t detached = log.events("stream_detached").size();
    auto client = send("/v1/completions", body, headers);
    const auto generation = service->next();
    client->close();
    log.await("stream_detached", detached + 1);
    return generation;
  }
  // That of a generation, once it is there.
  nlohmann::json await_line_of(const ScriptedGeneration& generation) {
    for (std::size_t lines = 1;; ++lines) {
      const auto last = log.await("http_request", lines).at(lines - 1);
      if (last.value("generation", "") == generation.request.id) return last;
    }
  }
  void restart() {
    server.reset();
    service = std::make_shared<ScriptedService>();
    port();
  }
  void write_key(const std::string& name, const std::string& limits) {
    settings.api_keys_file =
        folder
            .write("keys.toml", "[[caller]]\nname = \"" + name + "\"\n" + limits +
                                    "\n[[caller.key]]\nsha256 = \"" + sha256_hex(name) + "\"\n")
            .string();
  }
};

TEST_F(AuditLineTest, TellsWhoAskedForWhatAndWhatItCost) {
  write_key("search", "");
  auto client =
      send("/v1/completions", whole_completion, "Authorization: Bearer search\r\nX-Request-Id: mine\r\n");
  write(*service->next());
  EXPECT_EQ(client->read_response().status, 200);
  const auto told = line();
  EXPECT_EQ(told["request_id"], "mine");
  EXPECT_EQ(told["caller"], "search");
  EXPECT_EQ(told["route"], "/v1/completions");
  EXPECT_EQ(told["protocol"], "openai");
  EXPECT_EQ(told["generation"], "cmpl-mine");
  EXPECT_EQ(told["status"], 200);
  EXPECT_EQ(told["end"], "complete");
  EXPECT_EQ(told["finish"], "stop");
  EXPECT_EQ(told["prompt_tokens"], 3);
  EXPECT_EQ(told["completion_tokens"], 4);
  EXPECT_LE(told["accepted_ms"], told["first_ms"]);
  EXPECT_LE(told["first_ms"], told["ms"]);
  EXPECT_FALSE(told.contains("detached_ms") || told.contains("restored") || told.contains("failure"));
  EXPECT_EQ(log.text().find("a0"), std::string::npos) << "no text";
}

TEST_F(AuditLineTest, OfAnAnswerThatGoesOnWithoutItsClientComesAtItsEnd) {
  for (const char* body : {whole_completion, streamed_completion}) {
    const std::size_t before = log.events("http_request").size();
    const auto generation = leave(body);
    EXPECT_EQ(log.events("http_request").size(), before);
    write(*generation);
    const auto told = log.await("http_request", before + 1).back();
    EXPECT_EQ(told["generation"], generation->request.id);
    EXPECT_EQ(told["status"], 200) << "as whoever comes again is told";
    EXPECT_EQ(told["end"], "complete");
    EXPECT_EQ(told["finish"], "stop");
    EXPECT_EQ(told["completion_tokens"], 4);
    EXPECT_LE(told["detached_ms"], told["ms"]);
    EXPECT_LE(told["first_ms"], told["ms"]);
  }
  lines_of_all(2);
}

TEST_F(AuditLineTest, TellsWhyAnAnswerWithoutItsClientFailed) {
  const auto refused = leave(whole_completion), broken = leave(streamed_completion);
  refused->fail({RefusalKind::unavailable, "full", "", "queue_full"});
  auto told = log.await("http_request").back();
  EXPECT_EQ(told["status"], 503);
  EXPECT_EQ(told["end"], "failed");
  EXPECT_EQ(told["failure"], "queue_full");
  broken->accept({.prompt_tokens = 3});
  broken->text(0, "a");
  broken->fail({RefusalKind::internal, "broken", "", ""});
  told = log.await("http_request", 2).back();
  EXPECT_EQ(told["status"], 200);
  EXPECT_EQ(told["end"], "failed");
  EXPECT_EQ(told["failure"], "error");
  EXPECT_EQ(told["prompt_tokens"], 3);
  lines_of_all(2);
}

TEST_F(AuditLineTest, OfAnAnswerThatNobodyCameForSaysSo) {
  settings.retries.resume_window = std::chrono::milliseconds(1);
  const auto generation = leave(streamed_completion);
  generation->wait_cancelled();
  const auto told = line();
  EXPECT_EQ(told["end"], "cancelled");
  EXPECT_EQ(told["status"], 499);
}

TEST_F(AuditLineTest, OfAnAnswerThatTheServersEndCutsShortSaysSo) {
  const auto generation = leave(streamed_completion);
  generation->accept({.prompt_tokens = 3});
  const auto told = line();
  EXPECT_EQ(told["end"], "cancelled");
  EXPECT_EQ(told["prompt_tokens"], 3);
}

TEST_F(AuditLineTest, WhatAnAnswerDidNotUseComesBackWhenItEndsWithoutItsClient) {
  write_key("search", "tokens-per-minute = 1000\nconcurrent = 1");
  const std::string key = "Authorization: Bearer search\r\n";
  const auto left = [&] {
    Client client(port());
    client.send("GET /v1/models HTTP/1.1\r\nHost: t\r\n" + key + "\r\n");
    return std::stoi(client.read_response().headers["x-ratelimit-remaining-tokens"]);
  };
  auto generation = leave(streamed_completion, key);
  EXPECT_TRUE(generation->count(10, 900));
  EXPECT_LT(left(), 200);  // a little fills in meanwhile
  generation->accept({.prompt_tokens = 10});
  generation->finish(0);
  generation->end({.prompt_tokens = 10, .completion_tokens = 90});
  EXPECT_EQ(await_line_of(*generation)["completion_tokens"], 90);
  EXPECT_GE(left(), 900);
  generation = leave(streamed_completion, key);  // in the one place that its caller has
  EXPECT_TRUE(generation->count(10, 800));
  server->stop();
  EXPECT_EQ(await_line_of(*generation)["end"], "cancelled");
}

TEST_F(AuditLineTest, WhoReadsAnothersAnswerHasALineWithoutTokens) {
  const std::string key = "Idempotency-Key: key\r\n";
  auto client = send("/v1/completions", streamed_completion, key);
  const auto generation = service->next();
  write(*generation);
  Response first = client->read_response();
  EXPECT_EQ(send("/v1/completions", streamed_completion, key)->read_response().body, first.body);
  EXPECT_EQ(resume(first.headers["X-Stream-Id"]).body, first.body);
  EXPECT_EQ(resume(first.headers["X-Stream-Id"], "x").status, 400);
  EXPECT_EQ(resume("cmpl-none").status, 404);
  EXPECT_EQ(send("/v1/completions", whole_completion, key)->read_response().status, 422);
  log.await("http_request", 6);
  const auto lines = lines_of_all(6);
  std::size_t with_tokens = 0, of_stream = 0, failed = 0;
  for (const auto& each : lines) {
    with_tokens += each.contains("completion_tokens");
    of_stream += each["route"] == "/v1/streams/{id}";
    failed += each["end"] == "failed" && each.contains("failure");
  }
  EXPECT_EQ(with_tokens, 1u);
  EXPECT_EQ(of_stream, 3u);
  EXPECT_EQ(failed, 3u);
}

TEST_F(AuditLineTest, WhoIsRefusedIsToldOfWithTheReason) {
  write_key("search", "");
  const std::string key = "Authorization: Bearer search\r\n";
  struct Case {
    const char* target;
    std::string headers;
    const char* body;
    int status;
    const char* failure;
  };
  const std::vector<Case> cases{
      {"/v1/completions", "", whole_completion, 401, "invalid_api_key"},
      {"/nothing", key, whole_completion, 404, "unknown_route"},
      {"/v1/models", key, "{}", 405, "method_not_allowed"},
      {"/v1/completions", key + "Content-Encoding: gzip\r\n", "{}", 400, "unsupported_content_encoding"},
      {"/v1/completions", key, R"({"model": "x", "prompt": "a"})", 404, "model_not_found"},
      {"/v1/completions", key + "Idempotency-Key: a b\r\n", whole_completion, 400,
       "invalid_idempotency_key"}};
  for (const Case& each : cases)
    EXPECT_EQ(send(each.target, each.body, each.headers)->read_response().status, each.status);
  const auto lines = lines_of_all(cases.size());
  for (const Case& each : cases)
    EXPECT_EQ(std::ranges::count_if(lines,
                                    [&](const auto& told) {
                                      return told["status"] == each.status &&
                                             told.value("failure", "") == each.failure &&
                                             told["end"] == "failed";
                                    }),
              1)
        << each.failure;
}

TEST_F(AuditLineTest, WhoLeavesInTheMiddleOfItsBodyIsToldOf) {
  Client client(port());
  client.send(
      "POST /v1/completions HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n");
  client.read_until("100 Continue\r\n\r\n");
  client.send("{");
  client.reset();
  log.await("http_request");
  const auto told = line();
  EXPECT_EQ(told["status"], 499);
  EXPECT_EQ(told["end"], "cancelled");
  EXPECT_EQ(told["route"], "/v1/completions");
}

TEST_F(AuditLineTest, WhoLeavesInTheQueueIsToldOf) {
  settings.retries.resume_window = {};
  auto client = send("/v1/completions", whole_completion);
  const auto generation = service->next();
  client->close();
  generation->wait_cancelled();
  const auto told = line();
  EXPECT_EQ(told["status"], 499);
  EXPECT_EQ(told["end"], "cancelled");
  EXPECT_EQ(told["completion_tokens"], 0);
}

TEST_F(AuditLineTest, AnAnswerThatCannotBeToldHasFailed) {
  for (const std::chrono::seconds window : {std::chrono::seconds(0), std::chrono::seconds(60)}) {
    server.reset();
    settings.retries.resume_window = window;
    const std::size_t before = log.events("http_request").size();
    auto client = send("/v1/completions", streamed_completion);
    const auto generation = service->next();
    generation->accept({.prompt_tokens = 3});
    client->read_head();
    generation->text(7, "of a choice that there is not");
    client->read_to_end();
    const auto told = log.await("http_request", before + 1).back();
    EXPECT_EQ(told["status"], 200);
    EXPECT_EQ(told["end"], "failed");
    EXPECT_EQ(told["failure"], "internal_error");
    EXPECT_EQ(told["prompt_tokens"], 3);
  }
  lines_of_all(2);
}

struct AuditOfJournal : AuditLineTest {
  AuditOfJournal() { settings.journal.folder = (folder.path() / "journal").string(); }
};

TEST_F(AuditOfJournal, TheProcessThatEndsARequestHasItsLine) {
  const auto before = leave(streamed_completion);
  auto cut_off = send("/v1/completions", streamed_completion);
  const auto generation = service->next();
  generation->begun = true;
  generation->accept({.prompt_tokens = 3});
  cut_off->read_head();
  restart();
  EXPECT_EQ(log.events("http_request").size(), 0u);
  write(*service->next());
  write(*service->next());
  std::set<std::string> ids;
  for (const auto& told : log.await("http_request", 2)) {
    ids.insert(told["generation"]);
    EXPECT_EQ(told["restored"], true);
    EXPECT_EQ(told["status"], 200);
    EXPECT_EQ(told["end"], "complete");
    EXPECT_EQ(told["completion_tokens"], 4);
    EXPECT_EQ(told["route"], "/v1/completions");
  }
  EXPECT_EQ(ids, (std::set{before->request.id, generation->request.id}));
  restart();  // what has ended has had its line
  EXPECT_EQ(resume(before->request.id, "x").status, 400);
  EXPECT_EQ(lines_of_all(3).back()["route"], "/v1/streams/{id}");
}

TEST_F(AuditOfJournal, WhatIsGoneHasALineToo) {
  const auto before = leave(streamed_completion);
  server.reset();
  service = std::make_shared<ScriptedService>();
  service->compute_otherwise();
  port();
  const auto told = line();
  EXPECT_EQ(told["generation"], before->request.id);
  EXPECT_EQ(told["status"], 410);
  EXPECT_EQ(told["end"], "failed");
  EXPECT_EQ(told["failure"], "stream_gone");
}

}  // namespace
}  // namespace troupe::actors::edge
