// Requests that outlive the server: another one is made on the same journal.
#include "actors/edge/retries/restored_answer.hpp"

#include "runtime/base/digest.hpp"
#include "tests/actors/edge/retries/retries_fixture.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::actors::edge {
namespace {

struct RestoredAnswerTest : RetriesFixture {
  TemporaryFolder folder;
  RestoredAnswerTest() { settings.journal.folder = (folder.path() / "journal").string(); }

  // Nothing is dropped from the journal: as if the first had been killed.
  void restart() {
    server.reset();
    service = std::make_shared<ScriptedService>();
    port();
  }
  // One that is computed, and not refused when the server leaves.
  std::shared_ptr<ScriptedGeneration> begun_generation() {
    auto generation = service->next();
    generation->begun = true;
    return generation;
  }
  // The id of a stream whose client and server have gone. The next server has a service of its own.
  std::string outlived_stream() {
    auto client = send("/v1/chat/completions", seeded_chat_stream);
    std::string id = begun_generation()->request.id;
    client->close();
    server.reset();
    service = std::make_shared<ScriptedService>();
    return id;
  }
  // What came over a connection, without the frames of chunks.
  static std::vector<std::string> events_in(const std::string& raw) {
    std::vector<std::string> events;
    for (auto at = raw.find("id: "); at != raw.npos; at = raw.find("id: ", at + 1))
      events.push_back(raw.substr(at, raw.find("\n\n", at) + 2 - at));
    return events;
  }
  // The events that say something of a choice.
  static std::string of_choice(const std::vector<std::string>& events, int choice) {
    std::string all;
    for (const std::string& each : events)
      if (each.find("\"index\":" + std::to_string(choice)) != each.npos) all += without_id(each);
    return all;
  }
  static std::string bytes_of(const std::vector<std::string>& events) {
    std::string all;
    for (const std::string& each : events) all += without_id(each);
    return all;
  }
  static void expect_same(const runtime::GenerationRequest& one, const runtime::GenerationRequest& other) {
    EXPECT_EQ(one.id, other.id);
    EXPECT_EQ(one.prompts.size(), other.prompts.size());
    EXPECT_EQ(one.n, other.n);
    EXPECT_EQ(one.max_tokens, other.max_tokens);
    EXPECT_EQ(one.most_tokens, other.most_tokens);
    EXPECT_EQ(one.seed, other.seed);
    EXPECT_EQ(one.nonce, other.nonce);
    EXPECT_EQ(one.caller, other.caller);
    EXPECT_EQ(one.cache_salt, other.cache_salt);
    EXPECT_EQ(one.priority, other.priority);
    EXPECT_EQ(one.times, other.times);
  }
};

TEST_F(RestoredAnswerTest, AnUnfinishedStreamRunsByItselfAndGoesOnBehindWhatItsClientHas) {
  for (const std::size_t cut : {1, 2, 3, 4}) {
    auto client = send("/v1/completions", two_streamed_choices);
    const auto before = service->next();
    EXPECT_TRUE(before->request.seed && before->request.nonce != 0);
    before->accept({});
    before->text(1, "b0");
    before->text(0, "a0");
    before->text(1, "b1");
    before->text(0, "a1");
    const std::string id = client->read_head().headers["X-Stream-Id"];
    std::string seen;
    for (std::size_t i = 0; i < cut; ++i) seen += client->read_until("\n\n");
    client->close();
    restart();
    const auto again = service->next();
    expect_same(again->request, before->request);
    write(*again, 2, cut % 2 == 0);
    const auto prefix = events_in(seen), uncut = split_events(resume(id).body);
    EXPECT_EQ(prefix.size(), cut);
    auto all = prefix;
    for (const std::string& each : split_events(resume(id, last_id(seen)).body)) all.push_back(each);
    EXPECT_EQ(all.size(), uncut.size());
    for (const int choice : {0, 1}) EXPECT_EQ(of_choice(all, choice), of_choice(uncut, choice)) << cut;
    EXPECT_NE(all.back().find("[DONE]"), std::string::npos);
    EXPECT_EQ(all.back(), uncut.back()) << "the end is one place in all runs";
  }
}

TEST_F(RestoredAnswerTest, WhoIsCutOffByTheServersEndGoesOnToo) {
  auto client = send("/v1/chat/completions", seeded_chat_stream);
  const auto before = service->next();
  before->accept({});
  before->text(0, "a0");
  const std::string id = client->read_head().headers["X-Stream-Id"];
  std::string seen = client->read_until("\n\n");
  std::thread stopper([&] { server->stop(); });
  seen += client->read_to_end();
  stopper.join();
  EXPECT_NE(seen.find("shutting_down"), std::string::npos);
  restart();
  const auto again = service->next();
  expect_same(again->request, before->request);
  EXPECT_EQ(again->request.seed, 7u);
  write(*again);
  const std::string uncut = resume(id).body;
  EXPECT_EQ(events_in(seen)[0] + resume(id, last_id(seen)).body, uncut);
}

TEST_F(RestoredAnswerTest, OneUnderAKeyIsJoinedByItsRetry) {
  auto client = send("/v1/completions", whole_completion, "Idempotency-Key: key\r\n");
  const auto before = begun_generation();
  client->close();
  restart();
  const auto again = service->next();
  client = send("/v1/completions", whole_completion, "Idempotency-Key: key\r\n");
  write(*again);
  Response response = client->read_response();
  EXPECT_EQ(response.headers["Idempotent-Replayed"], "true");
  EXPECT_EQ(response.json()["id"], before->request.id);
  EXPECT_TRUE(service->idle());
  EXPECT_EQ(send_keyed("key", two_streamed_choices).status, 422);
}

TEST_F(RestoredAnswerTest, OneThatHadEndedIsComputedForWhoeverAsks) {
  auto client = send("/v1/completions", whole_completion, "Idempotency-Key: key\r\n");
  write(*service->next());
  const std::string body = client->read_response().body;
  for (const bool by_key : {true, false}) {
    restart();
    EXPECT_TRUE(service->idle());
    auto again = by_key ? send("/v1/completions", whole_completion, "Idempotency-Key: key\r\n")
                        : std::make_unique<Client>(port());
    if (!by_key) again->send(stream_request(nlohmann::json::parse(body)["id"]));
    write(*service->next());
    EXPECT_EQ(again->read_response().body, body);
  }
}

TEST_F(RestoredAnswerTest, AClientThatComesBeforeTheModelIsReadyWaits) {
  const std::string id = outlived_stream();
  service->is_ready = false;
  Client waiting(port());
  waiting.send(stream_request(id));
  EXPECT_EQ(get("/version").status, 200);
  EXPECT_TRUE(service->idle());
  service->is_ready = true;
  write(*service->next());
  EXPECT_EQ(waiting.read_response().status, 200);
}

TEST_F(RestoredAnswerTest, WhenTheServerLeavesWhoeverWaitsIsToldAndTheJournalKeepsIt) {
  const std::string id = outlived_stream();
  settings.replica_control = true;
  service->is_ready = false;
  Client waiting(port());
  waiting.send(stream_request(id));
  while (post("/v1/drain", R"({"drain": false})").json()["active_requests"] != 1) continue;
  post("/v1/drain", "");
  const Response told = waiting.read_response();
  EXPECT_EQ(told.status, 503);
  EXPECT_EQ(told.json()["error"]["code"], "draining");
  restart();
  write(*service->next());
  EXPECT_EQ(resume(id).status, 200);
}

TEST_F(RestoredAnswerTest, WhenTheModelFailsWhoeverWaitsIsToldAndTheJournalKeepsIt) {
  const std::string id = outlived_stream();
  service->is_ready = false;
  Client waiting(port());
  waiting.send(stream_request(id));
  EXPECT_EQ(get("/version").status, 200);
  service->is_healthy = false;
  const Response told = waiting.read_response(), late = resume(id);
  for (const Response* each : {&told, &late}) {
    EXPECT_EQ(each->status, 503);
    EXPECT_EQ(each->json()["error"]["code"], "model_failed");
  }
  EXPECT_TRUE(service->idle());
  restart();
  write(*service->next());
  EXPECT_EQ(resume(id).status, 200);
}

TEST_F(RestoredAnswerTest, WhatThisServerWouldAnswerOtherwiseIsGone) {
  const std::string id = outlived_stream();
  service->compute_otherwise();
  const Response gone = resume(id);
  EXPECT_EQ(gone.status, 410);
  EXPECT_EQ(gone.json()["error"]["code"], "stream_gone");
  EXPECT_EQ(resume(id + "x").status, 404);
  restart();
  EXPECT_EQ(resume(id).status, 404) << "the journal has dropped it";
}

TEST_F(RestoredAnswerTest, WhatWasRefusedOrForgottenIsNotRestored) {
  auto refused = send("/v1/completions", whole_completion);
  service->next()->fail({RefusalKind::unavailable, "full", "", "queue_full"});
  EXPECT_EQ(refused->read_response().status, 503);
  auto broken = send("/v1/chat/completions", seeded_chat_stream);
  const auto generation = service->next();
  generation->accept({});
  generation->fail({RefusalKind::internal, "broken", "", ""});
  EXPECT_EQ(broken->read_response().status, 200);
  server.reset();
  settings.retries.resume_window = std::chrono::milliseconds(1);
  restart();
  auto late = send("/v1/completions", whole_completion);
  const auto forgotten = service->next();
  late->close();
  forgotten->wait_cancelled();
  server.reset();
  settings.retries.resume_window = std::chrono::seconds(600);
  restart();
  EXPECT_EQ(get("/version").status, 200);
  EXPECT_TRUE(service->idle());
}

// What the journal has of requests is a part of what is kept.
TEST_F(RestoredAnswerTest, TheJournalHasALimit) {
  constexpr std::size_t padding = 10'000, limit = 5 * padding;
  settings.retries.kept_answers_size = {limit};
  const std::string body =
      R"({"model": "demo", "prompt": "hi", "ignored": ")" + std::string(padding, 'x') + "\"}";
  for (int i = 0; i < 20; ++i) {
    const std::string key = "Idempotency-Key: " + std::to_string(i) + "\r\n";
    auto client = send("/v1/completions", body, key);
    write(*service->next());
    EXPECT_EQ(client->read_response().status, 200) << "those that have ended make room";
  }
  server.reset();
  const JournalFile journal(settings.journal.folder);
  EXPECT_LE(journal.bytes() - journal.dropped_bytes(), limit + 2 * padding);
  EXPECT_GE(journal.ids().size(), 4u);
}

TEST_F(RestoredAnswerTest, UnderASmallerLimitThoseThatHadNotEndedGoOnFirst) {
  auto ended = send("/v1/completions", whole_completion);
  write(*service->next());
  const std::string ended_id = ended->read_response().headers["X-Stream-Id"];
  auto client = send("/v1/completions", whole_completion);
  const std::string id = begun_generation()->request.id;
  client->close();
  settings.retries.kept_answers_size = {1};
  restart();
  write(*service->next());
  EXPECT_EQ(resume(id).status, 200);
  EXPECT_EQ(resume(ended_id).status, 410);
  restart();
  EXPECT_EQ(resume(ended_id).status, 404) << "the journal has dropped it";
}

TEST_F(RestoredAnswerTest, WhatBrokeRunsAnewUnderItsKeyInAnotherProcessToo) {
  const std::string key = "Idempotency-Key: key\r\n";
  auto broken = send("/v1/completions", streamed_completion, key);
  const auto generation = service->next();
  generation->accept({});
  generation->text(0, "a");
  generation->fail({RefusalKind::internal, "broken", "", ""});
  const std::string id = broken->read_response().headers["X-Stream-Id"];
  restart();
  auto other = send("/v1/completions", whole_completion, key);
  const auto anew = service->next();
  EXPECT_NE(anew->request.id, id);
  write(*anew);
  Response response = other->read_response();
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.count("Idempotent-Replayed"), 0u);
}

TEST_F(RestoredAnswerTest, ACallersLimitsAreThoseOfItsRequest) {
  settings.api_keys_file = folder
                               .write("keys.toml",
                                      "[[caller]]\nname = \"search\"\nmax-tokens = 9\npriority = 3\n"
                                      "[[caller.key]]\nsha256 = \"" +
                                          sha256_hex("search") + "\"\n")
                               .string();
  auto client = send("/v1/chat/completions", seeded_chat_stream,
                     "Authorization: Bearer search\r\nx-request-timeout: 60\r\n");
  const auto before = begun_generation();
  EXPECT_EQ(before->request.most_tokens, 9);
  client->close();
  restart();
  const auto again = service->next();
  expect_same(again->request, before->request);
  EXPECT_EQ(resume(again->request.id).status, 401);
}

// Else the rest of its text would not go with what its client has.
TEST_F(RestoredAnswerTest, AnAnswerGoesOnThroughTheFilterThatItBeganWith) {
  const auto filters = [this](const char* pattern) {
    settings.output_filters_file =
        folder
            .write("filters.toml",
                   std::string("[[filter]]\nname = \"a\"\neveryone = true\n[[filter.rule]]\npattern = '") +
                       pattern + "'\naction = \"stop\"\n")
            .string();
  };
  filters("secret");
  std::string id = outlived_stream();
  port();
  const auto again = service->next();
  EXPECT_EQ(again->request.id, id);
  ASSERT_NE(again->request.filter, nullptr);
  write(*again);
  EXPECT_EQ(resume(id).status, 200);
  id = outlived_stream();
  filters("other");
  EXPECT_EQ(resume(id).status, 410);
}

}  // namespace
}  // namespace troupe::actors::edge
