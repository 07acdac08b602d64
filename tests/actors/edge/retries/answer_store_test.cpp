#include "actors/edge/retries/answer_store.hpp"

#include <boost/asio/executor_work_guard.hpp>

#include "actors/edge/begin_answer.hpp"
#include "actors/edge/departure.hpp"
#include "actors/edge/retries/idempotency_key.hpp"
#include "actors/edge/routes.hpp"
#include "runtime/base/digest.hpp"
#include "tests/actors/edge/retries/retries_fixture.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::actors::edge {
namespace {

using std::chrono::seconds;

// Without sockets; time is what the test says.
struct AnswerStoreTest : testing::Test {
  const std::shared_ptr<ScriptedService> service = std::make_shared<ScriptedService>();
  config::RetrySettings settings{.resume_window = seconds(60)};
  net::io_context io;
  const net::executor_work_guard<net::io_context::executor_type> work{io.get_executor()};
  std::optional<AnswerStore> made;
  const TimePoint start = now();

  ~AnswerStoreTest() override { io.poll(); }
  AnswerStore& store() {
    if (!made) made.emplace(settings, *service, nullptr);
    return *made;
  }
  std::shared_ptr<ToldAnswer> answer(const std::string& name, const std::string& key = "",
                                     const std::string& caller = "", bool waits = false,
                                     std::size_t journaled_bytes = 0) {
    const Endpoint& endpoint = *find_resource("POST", "/v1/completions")->endpoint;
    auto request = endpoint.generation(Json::parse(streamed_completion), service->model(), {});
    BegunAnswer begun = begin_answer(*request, name, service->model());
    return std::make_shared<ToldAnswer>(endpoint, std::move(*request), std::move(begun.answer),
                                        ToldAnswer::Place{.caller = caller,
                                                          .idempotency_key = key,
                                                          .digest = key.empty() ? "" : "digest",
                                                          .request_id = name,
                                                          .body_bytes = journaled_bytes,
                                                          .waits = waits},
                                        store(), io.get_executor());
  }
  // Begins one, and leaves it to itself.
  std::shared_ptr<ScriptedGeneration> run(const std::shared_ptr<ToldAnswer>& answer) {
    const auto reader = store().keep(answer);
    EXPECT_TRUE(reader);
    answer->start(*service);
    return service->next();
  }
  void let_end(ScriptedGeneration& generation) {
    write(generation);
    io.poll();
  }
  bool has(const std::string& id, const std::string& caller = "") {
    return store().find_by_id(caller, id).has_value();
  }
};

TEST_F(AnswerStoreTest, OneThatNobodyReadsIsKeptForItsWindow) {
  const auto generation = run(answer("a"));
  store().tick(start + seconds(59));
  EXPECT_EQ(generation->cancelled(), 0);
  store().tick(now() + seconds(61));
  EXPECT_EQ(generation->cancelled(), 1);
  EXPECT_FALSE(has("cmpl-a"));
  EXPECT_EQ(store().size(), 0u);
  EXPECT_EQ(store().bytes(), 0u);
}

TEST_F(AnswerStoreTest, OneThatIsReadStays) {
  const auto kept = answer("a");
  auto reader = *store().keep(kept);
  kept->start(*service);
  store().tick(now() + seconds(1000));
  reader.reset();
  EXPECT_EQ(service->next()->cancelled(), 0);
  store().tick(now() + seconds(59));
  auto again = std::move(*store().find_by_id("", "cmpl-a"));
  store().tick(now() + seconds(1000));
  EXPECT_EQ(store().size(), 1u);
  again.reset();
  store().tick(now() + seconds(61));
  EXPECT_EQ(store().size(), 0u);
}

TEST_F(AnswerStoreTest, OneUnderAKeyRunsToItsEndAndIsKeptForItsTime) {
  settings = {.idempotency_ttl = seconds(100)};
  const auto generation = run(answer("a", "key"));
  store().tick(now() + seconds(10'000));
  EXPECT_EQ(generation->cancelled(), 0);
  let_end(*generation);
  store().tick(now() + seconds(99));
  EXPECT_TRUE(*store().find_by_key("", "key", "digest"));
  store().tick(now() + seconds(101));
  EXPECT_FALSE(*store().find_by_key("", "key", "digest"));
  EXPECT_EQ(store().size(), 0u);
}

TEST_F(AnswerStoreTest, AKeyIsItsCallersAndOfOneRequest) {
  const auto generation = run(answer("a", "key", "search"));
  EXPECT_FALSE(*store().find_by_key("", "key", "digest"));
  EXPECT_FALSE(*store().find_by_key("other", "key", "digest"));
  EXPECT_TRUE(*store().find_by_key("search", "key", "digest"));
  const auto reused = store().find_by_key("search", "key", "another");
  ASSERT_FALSE(reused);
  EXPECT_EQ(reused.error().kind, RefusalKind::unprocessable);
  EXPECT_TRUE(has("cmpl-a", "search"));
  EXPECT_FALSE(has("cmpl-a", "other"));
  EXPECT_FALSE(has("cmpl-a"));
}

TEST_F(AnswerStoreTest, OfTwoAtOnceUnderAKeyOneIsKept) {
  const auto first = answer("a", "key"), second = answer("b", "key");
  const auto one = store().keep(first), other = store().keep(second);
  EXPECT_EQ(&(*one)->answer(), first.get());
  EXPECT_EQ(&(*other)->answer(), first.get());
  EXPECT_FALSE(store().keep(answer("a"))) << "an id is of one answer";
}

TEST_F(AnswerStoreTest, AStreamThatBrokeIsNotWhatItsKeyGives) {
  const auto generation = run(answer("a", "key"));
  generation->accept({});
  generation->text(0, "a");
  generation->fail({RefusalKind::internal, "broken", "", ""});
  io.poll();
  EXPECT_FALSE(*store().find_by_key("", "key", "digest"));
  EXPECT_TRUE(has("cmpl-a")) << "whoever comes again is told";
}

TEST_F(AnswerStoreTest, TheOldestThatEndedMakeRoom) {
  settings.kept_answers_size = {5 * ToldAnswer::own_bytes};
  const auto running = run(answer("running"));
  for (const char* name : {"a", "b", "c"}) {
    EXPECT_TRUE(store().make_room());
    let_end(*run(answer(name)));
  }
  while (store().bytes() < settings.kept_answers_size.bytes) running->text(0, "text"), io.poll();
  EXPECT_TRUE(store().make_room());
  EXPECT_FALSE(has("cmpl-a"));
  EXPECT_TRUE(has("cmpl-running"));
  EXPECT_TRUE(has("cmpl-c"));
  while (store().bytes() < 3 * settings.kept_answers_size.bytes) running->text(0, "text"), io.poll();
  EXPECT_FALSE(store().make_room()) << "those that run are not forgotten";
  EXPECT_EQ(store().size(), 1u);
  EXPECT_EQ(running->cancelled(), 0);
}

TEST_F(AnswerStoreTest, WhatASlowReaderHasNotTakenIsCounted) {
  const auto kept = answer("a");
  const auto reader = *store().keep(kept);
  reader->listen(std::make_shared<Bell>(io.get_executor()));
  kept->start(*service);
  const auto generation = service->next();
  generation->accept({});
  generation->text(0, std::string(100'000, 'x'));
  generation->finish(0);
  generation->end({});
  io.poll();  // it takes nothing
  EXPECT_GT(store().bytes(), 100'000u);
  EXPECT_TRUE(kept->over());
  settings.kept_answers_size = {1};
  EXPECT_FALSE(store().make_room()) << "it would be in memory still";
  let_end(*run(answer("b")));
  EXPECT_FALSE(store().make_room());
  EXPECT_FALSE(has("cmpl-b"));
  EXPECT_GT(reader->take().bytes.size(), 100'000u);
}

TEST_F(AnswerStoreTest, WhatTheJournalHasOfARequestIsCounted) {
  constexpr std::size_t body = 100'000;
  settings.kept_answers_size = {2 * body};
  let_end(*run(answer("a", "key", "", false, body)));
  EXPECT_GT(store().bytes(), body);
  const auto running = run(answer("running", "", "", false, body));
  EXPECT_GT(store().bytes(), 2 * body);
  EXPECT_TRUE(store().make_room());
  EXPECT_FALSE(has("cmpl-a"));
  EXPECT_LT(store().bytes(), 2 * body);
  store().restore(answer("b", "", "", true, body), true);
  EXPECT_FALSE(store().make_room()) << "those that have not ended stay";
  store().tick(now());
  service->next();
  store().tick(now() + seconds(61));
  EXPECT_EQ(store().bytes(), 0u);
}

TEST_F(AnswerStoreTest, CountsWhatClientsComeBackFor) {
  settings.kept_answers_size = {2 * ToldAnswer::own_bytes};
  let_end(*run(answer("a", "key")));
  EXPECT_TRUE(*store().find_by_key("", "key", "digest"));
  EXPECT_FALSE(store().find_by_key("", "key", "another"));
  EXPECT_TRUE(store().keep(answer("late", "key"))) << "another came between";
  EXPECT_TRUE(has("cmpl-a"));
  EXPECT_FALSE(has("cmpl-none"));
  KeptAnswers figures = store().figures();
  EXPECT_EQ(figures.answers, 1u);
  EXPECT_EQ(figures.bytes, store().bytes());
  EXPECT_EQ(figures.most_bytes, 2 * ToldAnswer::own_bytes);
  EXPECT_EQ(figures.joins, 2u);
  EXPECT_EQ(figures.reconnects, 1u);
  EXPECT_EQ(figures.dropped, 0u);
  run(answer("b"));
  EXPECT_TRUE(store().make_room());
  figures = store().figures();
  EXPECT_EQ(figures.answers, 1u);
  EXPECT_EQ(figures.dropped, 1u);
  store().tick(now() + seconds(61));
  figures = store().figures();
  EXPECT_EQ(figures.answers, 0u);
  EXPECT_EQ(figures.bytes, 0u);
  EXPECT_EQ(figures.dropped, 1u) << "its time was over";
}

TEST_F(AnswerStoreTest, LongAnswersAreCounted) {
  const auto generation = run(answer("a"));
  generation->accept({});
  generation->text(0, std::string(100'000, 'x'));
  io.poll();
  EXPECT_GT(store().bytes(), 100'000u);
  store().tick(now() + seconds(61));
  EXPECT_EQ(store().bytes(), 0u);
}

TEST_F(AnswerStoreTest, WhatIsWithdrawnWhileItWaitsForTheJournalIsNotBegun) {
  const auto waiting = answer("a", "key");
  const auto reader = *store().keep(waiting);
  waiting->withdraw(leaving());
  EXPECT_FALSE(reader->take().over) << "the journal has to know of it first";
  waiting->start(*service);
  EXPECT_TRUE(service->idle());
  const auto news = reader->take();
  ASSERT_TRUE(news.refusal);
  EXPECT_EQ(news.refusal->code, leaving().code);
  EXPECT_TRUE(news.over);
  EXPECT_EQ(store().size(), 0u) << "a retry runs anew";
}

TEST_F(AnswerStoreTest, ARestoredOneThatIsWithdrawnStaysAndItsReadersAreRefused) {
  service->is_ready = false;
  const auto restored = answer("a", "", "", true);
  store().restore(restored, true);
  const auto early = *store().find_by_id("", "cmpl-a");
  restored->withdraw(leaving());
  EXPECT_EQ(early->take().refusal->code, leaving().code);
  service->is_ready = true;
  store().tick(start);
  const auto generation = service->next();
  const auto later = *store().find_by_id("", "cmpl-a");
  restored->withdraw(leaving());
  io.poll();
  EXPECT_EQ(later->take().refusal->code, leaving().code);
  EXPECT_EQ(store().size(), 1u);
  EXPECT_TRUE(service->idle()) << "it is not put off";
  generation->accept({});
  const auto told = *store().find_by_id("", "cmpl-a");
  EXPECT_TRUE(told->take().begun);
  restored->withdraw(leaving());
  EXPECT_FALSE(told->take().over) << "it is told something";
}

TEST_F(AnswerStoreTest, ARestoredOneRunsOnceTheServiceIsReadyAndHasRoom) {
  service->is_ready = false;
  store().restore(answer("a", "", "", true), true);
  store().tick(start);
  EXPECT_TRUE(service->idle());
  service->is_ready = true;
  store().tick(start + seconds(1000));  // its window begins here
  service->next()->fail({RefusalKind::unavailable, "full", "", "queue_full"});
  io.poll();
  EXPECT_TRUE(has("cmpl-a"));
  store().tick(now() + seconds(2));
  const auto again = service->next();
  let_end(*again);
  EXPECT_EQ(store().figures().resumed, 1u) << "once, however often it was tried";
  EXPECT_EQ(store().size(), 1u);
  store().tick(now() + seconds(2000));
  EXPECT_EQ(store().size(), 0u);
}

TEST_F(AnswerStoreTest, ARestoredOneThatTheModelFailsUnderIsNotOver) {
  for (const bool known : {false, true}) {  // before its generation fails
    made.reset();
    service->is_healthy = service->is_ready = true;
    store().restore(answer("a", "", "", true), true);
    const auto reader = store().find_by_id("", "cmpl-a");
    store().tick(start);
    const auto generation = service->next();
    const auto fails = [&] {
      generation->fail({RefusalKind::unavailable, "failed", "", "model_failed"});
      io.poll();
      EXPECT_FALSE((*reader)->take().over);  // it is put off
    };
    if (!known) fails();
    service->is_healthy = service->is_ready = false;
    store().tick(start);
    if (known) (*reader)->take(), generation->fail({RefusalKind::unavailable, "failed", "", "model_failed"});
    io.poll();
    (void)(*reader)->take();
    const auto news = (*reader)->take();
    ASSERT_TRUE(news.refusal);
    EXPECT_EQ(news.refusal->code, "model_failed");
    EXPECT_TRUE(news.over);
    EXPECT_EQ(store().find_by_id("", "cmpl-a").error().code, "model_failed");
    EXPECT_EQ(store().size(), 1u);
  }
}

TEST_F(AnswerStoreTest, ARestoredOneThatHadEndedRunsWhenSomebodyAsks) {
  store().restore(answer("a", "", "", true), false);
  store().tick(start);
  EXPECT_TRUE(service->idle());
  const auto reader = store().find_by_id("", "cmpl-a");
  ASSERT_TRUE(reader);
  EXPECT_EQ(store().figures().resumed, 0u);
  store().tick(start);
  EXPECT_EQ(store().figures().resumed, 1u);
  let_end(*service->next());
  EXPECT_NE((*reader)->take().bytes.find("[DONE]"), std::string::npos);
}

TEST_F(AnswerStoreTest, OneThatCannotBeRestoredIsGoneForAWindow) {
  store().cannot_restore("search", "cmpl-a");
  EXPECT_EQ(store().find_by_id("search", "cmpl-a").error().kind, RefusalKind::gone);
  EXPECT_EQ(store().find_by_id("other", "cmpl-a").error().kind, RefusalKind::not_found);
  store().tick(start);
  store().tick(start + seconds(59));
  EXPECT_EQ(store().find_by_id("search", "cmpl-a").error().kind, RefusalKind::gone);
  store().tick(start + seconds(61));
  EXPECT_EQ(store().find_by_id("search", "cmpl-a").error().kind, RefusalKind::not_found);
}

// Over HTTP.
struct IdempotentRequests : RetriesFixture {
  IdempotentRequests() { settings.retries.resume_window = {}; }
};

TEST_F(IdempotentRequests, ARequestThatIsSentAgainHasTheSameAnswer) {
  for (const char* body : {whole_completion, streamed_completion}) {
    const std::string key = body == whole_completion ? "whole" : "stream";
    auto client = send("/v1/completions", body, "Idempotency-Key: " + key + "\r\n");
    write(*service->next());
    Response response = client->read_response();
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.headers.count("Idempotent-Replayed"), 0u);
    Response again = send_keyed(key, body);
    EXPECT_EQ(again.status, 200);
    EXPECT_EQ(again.headers["Idempotent-Replayed"], "true");
    EXPECT_EQ(again.headers["X-Stream-Id"], response.headers["X-Stream-Id"]);
    EXPECT_EQ(again.body, response.body);
    EXPECT_TRUE(service->idle());
  }
}

TEST_F(IdempotentRequests, OneThatRunsIsJoined) {
  for (const char* body : {whole_completion, streamed_completion}) {
    const std::string key = body == whole_completion ? "whole" : "stream",
                      header = "Idempotency-Key: " + key + "\r\n";
    auto first = send("/v1/completions", body, header);
    const auto generation = service->next();
    generation->text(0, "before ");
    auto second = send("/v1/completions", body, header);
    first->close();  // which costs the other nothing
    write(*generation);
    Response response = second->read_response();
    EXPECT_EQ(response.headers["Idempotent-Replayed"], "true");
    EXPECT_NE(response.body.find("before "), std::string::npos);
    EXPECT_NE(response.body.find("a3"), std::string::npos);
    EXPECT_TRUE(service->idle());
  }
}

TEST_F(IdempotentRequests, AKeyIsOfOneRequest) {
  auto client = send("/v1/completions", whole_completion, "Idempotency-Key: key\r\n");
  const auto generation = service->next();
  const std::string other = std::string(whole_completion) + " ";
  const Response refused = send_keyed("key", other);
  EXPECT_EQ(refused.status, 422);
  EXPECT_EQ(refused.json()["error"]["code"], "idempotency_key_reused");
  const Response messages =
      send_keyed("key", R"({"model": "demo", "max_tokens": 1, "messages": []})", "/v1/messages");
  EXPECT_EQ(messages.status, 422);
  EXPECT_EQ(messages.json()["type"], "error");
  write(*generation);
  EXPECT_EQ(client->read_response().status, 200);
}

TEST_F(IdempotentRequests, WhatWasRefusedRunsAnew) {
  auto client = send("/v1/completions", whole_completion, "Idempotency-Key: key\r\n");
  service->next()->fail({RefusalKind::unavailable, "full", "", "queue_full"});
  EXPECT_EQ(client->read_response().status, 503);
  client = send("/v1/completions", whole_completion, "Idempotency-Key: key\r\n");
  write(*service->next());
  Response response = client->read_response();
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.count("Idempotent-Replayed"), 0u);
  EXPECT_EQ(send_keyed("bad", "{}").status, 400);
  EXPECT_EQ(send_keyed("bad", R"({"model": "demo"})").status, 400) << "a refusal takes no key";
}

TEST_F(IdempotentRequests, WithoutRoomTheyWaitAndOthersAreNotKept) {
  settings.retries.kept_answers_size = {1};
  settings.retries.resume_window = seconds(60);
  auto keyed = send("/v1/completions", whole_completion, "Idempotency-Key: first\r\n");
  const auto generation = service->next();
  Response refused = send_keyed("second", whole_completion);
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.json()["error"]["code"], "kept_answers_full");
  EXPECT_EQ(refused.headers.count("Retry-After"), 1u);
  auto plain = send("/v1/completions", whole_completion);
  write(*service->next());
  Response response = plain->read_response();
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.count("X-Stream-Id"), 0u);
  EXPECT_NE(get("/metrics").body.find("troupe_kept_answers 1\n"), std::string::npos);
  write(*generation);
  EXPECT_EQ(keyed->read_response().status, 200);
}

TEST_F(IdempotentRequests, CostOnceAndAreTheirCallersAlone) {
  TemporaryFolder folder;
  const auto caller = [](const std::string& name) {
    return "[[caller]]\nname = \"" + name + "\"\nconcurrent = 1\n[[caller.key]]\nsha256 = \"" +
           sha256_hex(name) + "\"\n";
  };
  settings.api_keys_file = folder.write("keys.toml", caller("one") + caller("two")).string();
  settings.retries.resume_window = seconds(60);
  const auto headers = [](const std::string& name) {
    return "Authorization: Bearer " + name + "\r\nIdempotency-Key: key\r\n";
  };
  auto first = send("/v1/completions", whole_completion, headers("one"));
  const auto generation = service->next();
  auto joined =
      send("/v1/completions", whole_completion, headers("one"));  // in the one place that its caller has
  auto other = send("/v1/completions", whole_completion, headers("two"));
  const auto others = service->next();
  write(*generation);
  write(*others);
  Response response = first->read_response();
  EXPECT_EQ(joined->read_response().body, response.body);
  EXPECT_NE(other->read_response().json()["id"], response.json()["id"]);
  const std::string id = response.headers["X-Stream-Id"];
  EXPECT_EQ(resume(id, "", "Authorization: Bearer one\r\n").status, 200);
  EXPECT_EQ(resume(id, "", "Authorization: Bearer two\r\n").status, 404);
  EXPECT_EQ(resume(id).status, 401);
}

}  // namespace
}  // namespace troupe::actors::edge
