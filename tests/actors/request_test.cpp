#include "actors/request.hpp"

#include "tests/actors/actor_test.hpp"

namespace troupe::actors {
namespace {

using RequestTest = ActorTest;

TEST_F(RequestTest, AnswersAndCountsItsTokens) {
  auto running = start(chat("Solve 17 * 23"));
  run();
  const auto& choice = running.reader->choices.at(0);
  EXPECT_TRUE(choice.content.ends_with("17 * 23 = 391")) << choice.content;
  EXPECT_EQ(choice.finish_reason, "stop");
  EXPECT_EQ(running.reader->endings, 1);
  EXPECT_EQ(running.reader->usage.prompt_tokens, 12);
  EXPECT_EQ(running.reader->usage.completion_tokens, metric("generation_tokens_total"));
  EXPECT_EQ(metric("num_requests_running"), 0);
  EXPECT_EQ(metric("kv_cache_usage_perc"), 0);
}

TEST_F(RequestTest, ItsExpertsAreCountedAndReportedTogether) {
  start(chat("Solve 17 * 23"));
  run();
  EXPECT_EQ(expert_load(), 0) << "a report is due later";
  scheduler.trigger_timeouts();
  run();
  const double load = expert_load();
  EXPECT_GT(load, 0);
  start(chat("Solve 17 * 23"));
  run();
  scheduler.trigger_timeouts();
  run();
  EXPECT_GT(expert_load(), load);
}

TEST_F(RequestTest, StopsAtAStopStringAndDropsWhatCameAfter) {
  auto request = chat("Count from 1 to 100.");
  request.stop = {" 7,"};
  auto running = start(request);
  run();
  EXPECT_EQ(running.reader->choices.at(0).content, "1, 2, 3, 4, 5, 6,");
  EXPECT_EQ(running.reader->choices.at(0).stop_reason, " 7,");
  EXPECT_EQ(running.reader->choices.at(0).finish_reason, "stop");
  EXPECT_EQ(metric("kv_cache_usage_perc"), 0);
}

TEST_F(RequestTest, EndsAtMaxTokens) {
  auto request = chat("Count from 1 to 100.");
  request.max_tokens = 5;
  auto running = start(request);
  run();
  EXPECT_EQ(running.reader->choices.at(0).finish_reason, "length");
  EXPECT_EQ(running.reader->usage.completion_tokens, 5);
}

TEST_F(RequestTest, SeparatesReasoning) {
  auto request = chat("Capital of Japan?");
  std::get<runtime::ChatPrompt>(request.prompts[0]).template_kwargs = {{"thinking", true}};
  auto running = start(request);
  run();
  const auto& choice = running.reader->choices.at(0);
  EXPECT_EQ(choice.reasoning, "\nThe capital of Japan is Tokyo.\n");
  EXPECT_EQ(choice.content, "The capital of Japan is Tokyo.");
}

TEST_F(RequestTest, EqualSeedsGiveEqualChoicesAndChoicesDiffer) {
  auto request = chat("Tell me a short story about a fox.", 1.0f);
  request.seed = 7;
  request.n = 3;
  auto first = start(request), second = start(request);
  run();
  ASSERT_EQ(first.reader->choices.size(), 3u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(first.reader->choices[i].content, second.reader->choices[i].content);
  EXPECT_NE(first.reader->choices[0].content, first.reader->choices[1].content);
}

TEST_F(RequestTest, RefusesAPromptOverTheContextWithTheNumbers) {
  runtime::GenerationRequest request;
  request.prompts = {std::vector<TokenId>(5000, 30)};
  auto running = start(request);
  run();
  ASSERT_TRUE(running.reader->failure);
  EXPECT_EQ(running.reader->failure->code, "context_length_exceeded");
  EXPECT_NE(running.reader->failure->message.find("4096"), std::string::npos);
  EXPECT_NE(running.reader->failure->message.find("5000"), std::string::npos);
  EXPECT_EQ(running.reader->endings, 1);
}

TEST_F(RequestTest, RefusesATextThatCannotFitBeforeItIsTokenized) {
  runtime::GenerationRequest request;
  request.prompts = {std::string(4 << 20, 'a')};
  auto running = start(request);
  run();
  ASSERT_TRUE(running.reader->failure);
  EXPECT_EQ(running.reader->failure->code, "context_length_exceeded");
  EXPECT_EQ(running.reader->failure->param, "prompt");
}

TEST_F(RequestTest, RefusesMoreChoicesThanCanWait) {
  context->rules.max_choices = 4;
  auto request = chat("Hello");
  request.n = 5;
  auto running = start(request);
  run();
  ASSERT_TRUE(running.reader->failure);
  EXPECT_EQ(running.reader->failure->kind, RefusalKind::invalid);
  EXPECT_EQ(running.reader->failure->param, "n");
}

TEST_F(RequestTest, EchoesThePromptAsItCame) {
  runtime::GenerationRequest request;
  request.prompts = {std::string("Hi <｜User｜> there")};
  request.echo = true;
  request.max_tokens = 1;
  request.temperature = 0;
  auto running = start(request);
  run();
  EXPECT_TRUE(running.reader->choices.at(0).content.starts_with("Hi <｜User｜> there"));
}

TEST_F(RequestTest, RefusesTokensOutsideTheVocabulary) {
  runtime::GenerationRequest request;
  request.prompts = {std::vector<TokenId>{5, 1'000'000}};
  auto running = start(request);
  run();
  ASSERT_TRUE(running.reader->failure);
  EXPECT_EQ(running.reader->failure->kind, RefusalKind::invalid);
}

TEST_F(RequestTest, ASlowReaderPausesItsOwnSequenceOnly) {
  auto request = chat("Count from 1 to 100.");
  request.max_tokens = 60;
  auto slow = start(request, 3);
  auto quick = start(request);
  run();
  EXPECT_EQ(quick.reader->endings, 1);
  EXPECT_EQ(slow.reader->endings, 0);
  EXPECT_EQ(slow.reader->choices.at(0).deltas, 3);
  const double generated = metric("generation_tokens_total") - double(quick.reader->usage.completion_tokens);
  EXPECT_LT(generated, 10);
  while (slow.reader->endings == 0) {
    self->send(slow.actor, Credit{9});
    run();
  }
  EXPECT_EQ(slow.reader->choices.at(0).content, quick.reader->choices.at(0).content);
}

TEST_F(RequestTest, ACancelledRequestGivesItsBlocksBackAndTellsNobody) {
  auto running = start(chat("Count from 1 to 100."));
  run_some(60);
  ASSERT_GT(metric("num_requests_running"), 0);
  self->send(running.actor, CancelRequest{});
  run();
  EXPECT_EQ(running.reader->endings, 0);
  EXPECT_EQ(metric("num_requests_running"), 0);
  EXPECT_EQ(metric("kv_cache_usage_perc"), 0);
  EXPECT_EQ(metric("request_success_total{finished_reason=\"abort\""), 1);
}

TEST_F(RequestTest, ADeadRequestEndsItsStreamWithOneError) {
  auto running = start(chat("Count from 1 to 100."));
  run_some(60);
  self->send_exit(running.actor, caf::exit_reason::kill);
  run();
  ASSERT_TRUE(running.reader->failure);
  EXPECT_EQ(running.reader->failure->kind, RefusalKind::internal);
  EXPECT_EQ(running.reader->endings, 1);
  EXPECT_EQ(metric("num_requests_running"), 0);
}

TEST_F(RequestTest, ADeadPausedRequestHoldsNothing) {
  auto running = start(chat("Count from 1 to 100."), 3);
  run();
  ASSERT_GT(metric("kv_cache_usage_perc"), 0);
  self->send_exit(running.actor, caf::exit_reason::kill);
  run();
  EXPECT_EQ(metric("kv_cache_usage_perc"), 0);
  EXPECT_EQ(metric("num_requests_running") + metric("num_requests_waiting"), 0);
}

TEST_F(RequestTest, ChoicesTakeTurnsWithScarceCredit) {
  auto request = chat("Count from 1 to 100.");
  request.n = 4;
  auto running = start(request, 1);
  run();
  for (int i = 0; i < 40; ++i) {
    self->send(running.actor, Credit{1});
    run();
  }
  ASSERT_EQ(running.reader->choices.size(), 4u);
  for (const auto& [index, choice] : running.reader->choices) EXPECT_GE(choice.deltas, 5) << index;
}

TEST_F(RequestTest, ACachedPromptCountsOnceHoweverManyChoices) {
  auto request = chat("Tell me a short story about a fox, a crow, an owl, a cat and a dog in the garden.");
  request.max_tokens = 2;
  auto first = start(request);
  run();
  request.n = 3;
  auto second = start(request);
  run();
  EXPECT_EQ(first.reader->usage.cached_tokens, 0);
  EXPECT_GT(second.reader->usage.cached_tokens, 0);
  EXPECT_LT(second.reader->usage.cached_tokens, second.reader->usage.prompt_tokens);
  EXPECT_GT(metric("prefix_cache_hits_total"), 0);
}

TEST_F(RequestTest, ABurstOfPromptsHoldsNothingElseUp) {
  std::string words;
  for (int i = 0; i < 60; ++i) words += "one two three ";
  auto request = chat(words);
  request.max_tokens = 1;
  gate.let_through();  // its thread stands there, and the queue is empty
  std::vector<Running> burst;
  for (std::size_t i = 0; i < tokenizing.limit(); ++i) burst.push_back(start(request));
  const auto one_more = start(request);
  scheduler.run();
  ASSERT_TRUE(one_more.reader->failure);
  EXPECT_EQ(one_more.reader->failure->kind, RefusalKind::unavailable);
  EXPECT_EQ(one_more.reader->failure->code, "queue_full");

  // A worker dies and comes back while the prompts wait.
  self->send(supervisor, Drill{.kind = Drill::Kind::crash_worker});
  scheduler.run();
  while (state() == ReplicaState::recovering && scheduler.trigger_timeout()) scheduler.run();
  EXPECT_EQ(state(), ReplicaState::serving);
  EXPECT_EQ(restarts(), 1u);

  // Who leaves gives its place up, however it leaves.
  constexpr std::size_t leave = 50;
  for (std::size_t i = 0; i < leave; ++i)
    if (i % 2 == 0)
      self->send(burst[i].actor, CancelRequest{});
    else
      self->send_exit(burst[i].actor, caf::exit_reason::kill);
  scheduler.run();
  for (std::size_t i = 0; i < leave; ++i) burst.push_back(start(request));
  scheduler.run();
  for (std::size_t i = leave; i < burst.size(); ++i) ASSERT_EQ(burst[i].reader->endings, 0) << i;
  const auto late = start(request);
  scheduler.run();
  EXPECT_EQ(late.reader->endings, 1) << "all places are taken again";

  self->send(burst.back().actor, CancelRequest{});  // the gate needs one
  scheduler.run();
  run();
  burst.pop_back();
  for (std::size_t i = leave; i < burst.size(); ++i) {
    ASSERT_FALSE(burst[i].reader->failure) << i;
    ASSERT_EQ(burst[i].reader->endings, 1) << i;
  }
  const double each = double(burst.back().reader->usage.prompt_tokens);
  EXPECT_EQ(metric("prompt_tokens_total"), each * double(burst.size() - leave));
}

// Lets time pass until its reader has heard the end.
struct RequestTimeTest : RequestTest {
  void wait_for_the_end_of(const Running& running) {
    while (running.reader->endings == 0 && scheduler.trigger_timeout()) run();
    ASSERT_EQ(running.reader->endings, 1);
  }
  // A worker is gone, and comes back after a while, as one does whose last death was not long ago: who comes now waits.
  void begin_to_recover() {
    for (int deaths = 0; deaths < 2 && state() == ReplicaState::serving; ++deaths) {
      self->send(supervisor, Drill{.kind = Drill::Kind::crash_worker});
      run();
    }
    ASSERT_EQ(state(), ReplicaState::recovering);
  }
};

TEST_F(RequestTimeTest, OneWhoseTimeIsUpFails) {
  auto request = chat("Count from 1 to 100.");
  request.times.request = std::chrono::seconds(5);
  auto running = start(request, 3);  // it stands still for want of credit
  run();
  ASSERT_EQ(running.reader->endings, 0);
  const TimePoint before = self->clock().now();
  wait_for_the_end_of(running);
  EXPECT_EQ(self->clock().now() - before, std::chrono::seconds(5));
  ASSERT_TRUE(running.reader->failure);
  EXPECT_EQ(running.reader->failure->kind, RefusalKind::timeout);
  EXPECT_EQ(running.reader->failure->code, "request_timeout");
  EXPECT_EQ(metric("kv_cache_usage_perc"), 0);
}

TEST_F(RequestTimeTest, OrEndsWithWhatThereIsWhereThatIsWanted) {
  auto request = chat("Count from 1 to 100.");
  request.times = {.request = std::chrono::seconds(5), .partial = true};
  auto running = start(request, 3);
  run();
  scheduler.advance_time(std::chrono::seconds(6));
  run();
  EXPECT_EQ(running.reader->endings, 0) << "the reader has to take it";
  self->send(running.actor, Credit{1});
  run();
  EXPECT_EQ(running.reader->endings, 1);
  EXPECT_FALSE(running.reader->failure);
  EXPECT_EQ(running.reader->choices.at(0).finish_reason, "length");
  EXPECT_TRUE(running.reader->choices.at(0).content.starts_with("1, 2"));
  EXPECT_EQ(metric("kv_cache_usage_perc"), 0);
}

TEST_F(RequestTimeTest, OneInTimeHearsNothingOfIt) {
  auto request = chat("Solve 17 * 23");
  request.times = {.request = std::chrono::seconds(5),
                   .queue = std::chrono::seconds(1),
                   .first_token = std::chrono::seconds(2)};
  auto running = start(request);
  run();
  EXPECT_EQ(running.reader->choices.at(0).finish_reason, "stop");
  scheduler.trigger_timeouts();
  run();
  EXPECT_EQ(running.reader->endings, 1);
}

TEST_F(RequestTimeTest, WhoseTurnDoesNotComeOrWhoseFirstTokenIsRefused) {
  for (const auto& [times, code] :
       {std::pair(TimeLimits{.queue = std::chrono::milliseconds(1)}, "queue_timeout"),
        {TimeLimits{.first_token = std::chrono::milliseconds(1)}, "ttft_timeout"}}) {
    begin_to_recover();
    auto request = chat("Solve 17 * 23");
    request.times = times;
    auto running = start(request);
    run();
    wait_for_the_end_of(running);
    ASSERT_TRUE(running.reader->failure);
    EXPECT_EQ(running.reader->failure->kind, RefusalKind::unavailable);
    EXPECT_EQ(running.reader->failure->code, code);
    EXPECT_EQ(metric("num_requests_waiting"), 0);
    recover();
  }
}

TEST_F(RequestTimeTest, OnlyWhoHasNotBegunIsWithdrawn) {
  const Refusal why{RefusalKind::unavailable, "Leaving.", "", "draining"};
  auto slow = start(chat("Count from 1 to 100."), 3);
  run();
  self->send(slow.actor, Withdraw{why});
  run();
  EXPECT_EQ(slow.reader->endings, 0);
  self->send(slow.actor, CancelRequest{});
  const auto at_the_door = start(chat("Solve 17 * 23"));
  self->send(at_the_door.actor, Withdraw{why});
  scheduler.run();
  ASSERT_TRUE(at_the_door.reader->failure) << "it is not tokenized yet";
  begin_to_recover();
  auto waiting = start(chat("Solve 17 * 23"));
  run();
  EXPECT_EQ(waiting.reader->endings, 0);
  self->send(waiting.actor, Withdraw{why});
  run();
  ASSERT_TRUE(waiting.reader->failure);
  EXPECT_EQ(waiting.reader->failure->code, "draining");
  EXPECT_EQ(metric("num_requests_waiting"), 0);
}

TEST_F(RequestTest, EndsBeforeItIsTokenizedWhenTheReplicaGivesUp) {
  const auto running = start(chat("Hello"));
  scheduler.run();
  self->send(running.actor, GiveUp{{RefusalKind::unavailable, "Gone.", "", ""}});
  run();
  ASSERT_TRUE(running.reader->failure);
  EXPECT_EQ(running.reader->failure->message, "Gone.");
  EXPECT_EQ(running.reader->endings, 1);
}

TEST_F(RequestTest, CallsATool) {
  auto request = chat("What is the weather in Lima?");
  std::get<runtime::ChatPrompt>(request.prompts[0]).tools =
      nlohmann::ordered_json::parse(R"([{"type": "function", "function": {
      "name": "get_weather", "description": "Get the weather in a city",
      "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}])");
  auto running = start(request);
  run();
  const auto& choice = running.reader->choices.at(0);
  ASSERT_EQ(choice.calls.size(), 1u) << choice.content;
  EXPECT_EQ(choice.calls[0].name, "get_weather");
  EXPECT_EQ(nlohmann::json::parse(choice.calls[0].arguments).at("city"), "Lima");
  EXPECT_EQ(choice.finish_reason, "tool_calls");
}

}  // namespace
}  // namespace troupe::actors
