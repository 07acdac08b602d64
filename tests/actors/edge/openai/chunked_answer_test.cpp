#include "actors/edge/openai/chunked_answer.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/actors/edge/client.hpp"
#include "tests/actors/edge/deltas.hpp"

namespace troupe::actors::edge::openai {
namespace {

using runtime::ChoiceEnd;

const AnswerIdentity identity{"id-1", "demo", "fp_1", 1700000000};
constexpr const char* chat_head =
    R"({"id":"id-1","object":"chat.completion.chunk","created":1700000000,"model":"demo","choices":[)";

// What a chunk says of its only choice.
std::string choice_in(const std::optional<Json>& chunk) {
  return chunk ? (*chunk)["choices"].at(0).dump() : "nothing";
}

TEST(ChatAnswer, FirstChunkOfEachChoiceHasTheRole) {
  const auto answer = make_chat_answer(identity, {.choices = 2});
  EXPECT_EQ(
      answer->chunk(text("a"))->dump(),
      std::string(chat_head) +
          R"({"index":0,"delta":{"role":"assistant","content":"a"},"logprobs":null,"finish_reason":null}],"system_fingerprint":"fp_1"})");
  EXPECT_EQ(
      choice_in(answer->chunk(thought("t"))),
      R"({"index":0,"delta":{"reasoning_content":"t","reasoning":"t"},"logprobs":null,"finish_reason":null})");
  EXPECT_EQ(
      choice_in(answer->chunk(finish(ChoiceEnd::length, 1))),
      R"({"index":1,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":"length","stop_reason":null})");
  EXPECT_EQ(choice_in(answer->chunk(finish(ChoiceEnd::stop))),
            R"({"index":0,"delta":{},"logprobs":null,"finish_reason":"stop","stop_reason":null})");
}

TEST(ChatAnswer, AnEmptyDeltaIsNoChunkOnceTheChoiceHasBegun) {
  const auto answer = make_chat_answer(identity, {.choices = 1});
  EXPECT_NE(choice_in(answer->chunk(text(""))), "nothing");
  EXPECT_EQ(choice_in(answer->chunk(text(""))), "nothing");
}

TEST(ChatAnswer, StreamsToolCalls) {
  const auto answer = make_chat_answer(identity, {.choices = 1});
  answer->chunk(text("x"));
  EXPECT_EQ(
      (*answer->chunk(call({0, "c1", "f", ""})))["choices"][0]["delta"].dump(),
      R"({"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":""}}]})");
  EXPECT_EQ((*answer->chunk(call({0, "", "", "{}"})))["choices"][0]["delta"].dump(),
            R"({"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]})");
}

TEST(ChatAnswer, WholeIsMadeOfTheSameDeltas) {
  const auto answer = make_chat_answer(identity, {.choices = 2});
  answer->collect(thought("th"));
  answer->collect(thought("ink"));
  answer->collect(text("a", 1));
  answer->collect(call({0, "c1", "f", "{"}));
  answer->collect(call({0, "", "", "}"}));
  answer->collect(call({1, "c2", "g", "[]"}));
  answer->collect(text("b", 1));
  runtime::Delta last = finish(ChoiceEnd::stop, 1);
  last.stop_reason = "END";
  answer->collect(last);
  answer->collect(finish(ChoiceEnd::tool_calls));
  EXPECT_EQ(
      answer->whole({10, 5, 8}).dump(),
      R"({"id":"id-1","object":"chat.completion","created":1700000000,"model":"demo","choices":[)"
      R"({"index":0,"message":{"role":"assistant","content":null,"refusal":null,"reasoning_content":"think","reasoning":"think",)"
      R"("tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}},)"
      R"({"id":"c2","type":"function","function":{"name":"g","arguments":"[]"}}]},)"
      R"("logprobs":null,"finish_reason":"tool_calls","stop_reason":null},)"
      R"({"index":1,"message":{"role":"assistant","content":"ab","refusal":null,"reasoning_content":null,"reasoning":null},)"
      R"("logprobs":null,"finish_reason":"stop","stop_reason":"END"}],"system_fingerprint":"fp_1",)"
      R"("usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":8},"completion_tokens_details":{"reasoning_tokens":0}}})");
}

TEST(ChatAnswer, DropsThoughtsThatAreNotWanted) {
  const auto answer = make_chat_answer(identity, {.choices = 1, .include_reasoning = false});
  answer->chunk(text("x"));
  EXPECT_EQ(choice_in(answer->chunk(thought("t"))), "nothing");
  answer->collect(thought("t"));
  answer->collect(finish(ChoiceEnd::stop));
  EXPECT_TRUE(answer->whole({})["choices"][0]["message"]["reasoning"].is_null());
}

TEST(ChatAnswer, OfThoughtsThatAreNotWantedTheIdsAreTold) {
  const auto answer = make_chat_answer(identity, {.include_reasoning = false, .return_token_ids = true});
  std::vector<TokenId> streamed;
  for (TokenId id = 0; id < 4; ++id) {
    runtime::Delta delta = id < 3 ? thought("t") : finish(ChoiceEnd::stop);
    delta.token_ids = {id};
    const auto chunk = answer->chunk(delta);
    ASSERT_TRUE(chunk);
    for (const Json& each : (*chunk)["choices"][0]["token_ids"]) streamed.push_back(each);
    answer->collect(delta);
  }
  EXPECT_EQ(streamed, (std::vector<TokenId>{0, 1, 2, 3}));
  EXPECT_EQ(answer->whole({})["choices"][0]["token_ids"].get<std::vector<TokenId>>(), streamed);
  EXPECT_EQ(answer->whole({})["choices"][0]["message"]["content"], "");
}

TEST(ChatAnswer, OfThoughtsThatAreNotWantedNoLogprobsAreTold) {
  runtime::Delta delta = thought("think");
  delta.logprobs = {{{1, "think", -1}, {}}, {{2, "said", -1}, {}}};
  delta.logprobs[0].of_thoughts = true;
  for (const bool wanted : {true, false}) {
    const auto answer = make_chat_answer(identity, {.include_reasoning = wanted});
    const auto expect_told = [&](const Json& choice) {
      EXPECT_EQ(choice["logprobs"]["content"].size(), wanted ? 2u : 1u) << choice;
      EXPECT_EQ(choice["logprobs"]["content"].back()["token"], "said");
    };
    expect_told((*answer->chunk(delta))["choices"][0]);
    answer->collect(delta);
    answer->collect(finish(ChoiceEnd::stop));
    expect_told(answer->whole({})["choices"][0]);
    runtime::Delta more = thought("more");
    more.logprobs = {delta.logprobs[0]};
    EXPECT_EQ(bool(answer->chunk(more)), wanted);
  }
}

TEST(ChatAnswer, StreamsACallInTheOlderWords) {
  const auto answer = make_chat_answer(identity, {.older_calls = true});
  answer->chunk(text(""));
  const auto delta_of = [](const std::optional<Json>& chunk) {
    return (*chunk)["choices"][0]["delta"].dump();
  };
  EXPECT_EQ(delta_of(answer->chunk(call({0, "c1", "f", ""}))),
            R"({"function_call":{"name":"f","arguments":""}})");
  EXPECT_EQ(delta_of(answer->chunk(call({0, "", "", "{}"}))), R"({"function_call":{"arguments":"{}"}})");
  EXPECT_EQ((*answer->chunk(finish(ChoiceEnd::tool_calls)))["choices"][0]["finish_reason"], "function_call");
  runtime::Delta both = call({0, "c1", "f", "{"});
  both.tool_calls.push_back({0, "", "", "}"});
  EXPECT_EQ(delta_of(make_chat_answer(identity, {.older_calls = true})->chunk(both)),
            R"({"role":"assistant","content":"","function_call":{"name":"f","arguments":"{}"}})");
}

TEST(ChunkedAnswer, AStopTokenIsAReason) {
  runtime::Delta last = finish(ChoiceEnd::stop);
  last.stop_token = 7;
  for (const auto make : {make_chat_answer, make_completion_answer}) {
    const auto answer = make(identity, {});
    EXPECT_EQ((*answer->chunk(last))["choices"][0]["stop_reason"], 7);
    answer->collect(last);
    EXPECT_EQ(answer->whole({})["choices"][0]["stop_reason"], 7);
  }
}

TEST(ChunkedAnswer, AFilterIsAReasonToFinish) {
  for (const auto make : {make_chat_answer, make_completion_answer}) {
    const auto answer = make(identity, {});
    const runtime::Delta last = finish(ChoiceEnd::content_filter);
    EXPECT_EQ((*answer->chunk(last))["choices"][0]["finish_reason"], "content_filter");
    answer->collect(last);
    EXPECT_EQ(answer->whole({})["choices"][0]["finish_reason"], "content_filter");
  }
}

runtime::Delta with_logprobs() {
  runtime::Delta delta = text("\xE2\x82\xAC");
  delta.logprobs = {{{5, "\xE2\x82", -0.5f}, {{5, "\xE2\x82", -0.5f}, {6, "a", -INFINITY}}},
                    {{7, "\xAC", -0.25f}, {}}};
  return delta;
}

TEST(ChatAnswer, LogprobsKeepTheBytesOfPartsOfCharacters) {
  const auto answer = make_chat_answer(identity, {.choices = 1});
  const std::string expected =
      R"({"content":[{"token":"bytes:\\xe2\\x82","logprob":-0.5,"bytes":[226,130],"top_logprobs":[)"
      R"({"token":"bytes:\\xe2\\x82","logprob":-0.5,"bytes":[226,130]},{"token":"a","logprob":-9999.0,"bytes":[97]}]},)"
      R"({"token":"bytes:\\xac","logprob":-0.25,"bytes":[172],"top_logprobs":[]}],"refusal":null})";
  EXPECT_EQ((*answer->chunk(with_logprobs()))["choices"][0]["logprobs"].dump(), expected);
  answer->collect(with_logprobs());
  EXPECT_EQ(answer->whole({})["choices"][0]["logprobs"].dump(), expected);
}

TEST(CompletionAnswer, ChunksAndWhole) {
  const auto answer = make_completion_answer(identity, {.choices = 2});
  EXPECT_EQ(
      answer->chunk(text("hi", 1))->dump(),
      R"({"id":"id-1","object":"text_completion","created":1700000000,"model":"demo","choices":[)"
      R"({"index":1,"text":"hi","logprobs":null,"finish_reason":null,"stop_reason":null}],"system_fingerprint":"fp_1"})");
  EXPECT_EQ(choice_in(answer->chunk(text(""))), "nothing");
  answer->collect(text("x"));
  answer->collect(text("y"));
  answer->collect(finish(ChoiceEnd::length));
  answer->collect(finish(ChoiceEnd::stop, 1));
  EXPECT_EQ(
      answer->whole({1, 2, 0}).dump(),
      R"({"id":"id-1","object":"text_completion","created":1700000000,"model":"demo","choices":[)"
      R"({"index":0,"text":"xy","logprobs":null,"finish_reason":"length","stop_reason":null},)"
      R"({"index":1,"text":"","logprobs":null,"finish_reason":"stop","stop_reason":null}],"system_fingerprint":"fp_1",)"
      R"("usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}})");
}

TEST(CompletionAnswer, OffsetsCountCharactersOverAllChunks) {
  const auto answer = make_completion_answer(identity, {.choices = 1});
  EXPECT_EQ(
      (*answer->chunk(with_logprobs()))["choices"][0]["logprobs"].dump(),
      R"({"tokens":["bytes:\\xe2\\x82","bytes:\\xac"],"token_logprobs":[-0.5,-0.25],)"
      R"("top_logprobs":[{"bytes:\\xe2\\x82":-0.5,"a":-9999.0},{"bytes:\\xac":-0.25}],"text_offset":[0,1]})");
  runtime::Delta next = text("bc");
  next.logprobs = {{{8, "b", -1}, {}}, {{9, "c", -1}, {}}};
  EXPECT_EQ((*answer->chunk(next))["choices"][0]["logprobs"]["text_offset"].dump(), "[1,2]");
}

// The token that begins every prompt is none of the text.
TEST(CompletionAnswer, OffsetsOfAnEchoBeginWithItsText) {
  runtime::LogprobEntry begin{{0, "<begin>", 0, true}, {}}, first{{1, "ab", -1}, {}},
      second{{2, "c", -1}, {}};
  begin.first_of_prompt = true;
  const auto offsets = [&](const char* echo) {
    runtime::Delta delta = text(echo);
    delta.logprobs = {begin, first, second};
    const auto answer = make_completion_answer(identity, {});
    answer->collect(delta);
    const std::string whole = answer->whole({})["choices"][0]["logprobs"]["text_offset"].dump();
    EXPECT_EQ(
        (*make_completion_answer(identity, {})->chunk(delta))["choices"][0]["logprobs"]["text_offset"].dump(),
        whole);
    return whole;
  };
  EXPECT_EQ(offsets("abc"), "[0,0,2]");
  EXPECT_EQ(offsets("<begin>abc"), "[0,7,9]");
}

TEST(ChunkedAnswer, EndsEachChoiceThenUsageThenDone) {
  const auto answer = make_chat_answer(identity, {.choices = 2, .include_usage = true});
  std::string out;
  answer->delta(text("a"), out);
  answer->delta(finish(ChoiceEnd::stop, 1), out);
  answer->delta(finish(ChoiceEnd::stop), out);
  answer->end({3, 2, 1}, out);
  const auto events = events_of(out);
  ASSERT_EQ(events.size(), 5u);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Json::parse(events[i]).at("usage").is_null());
  EXPECT_EQ(
      events[3],
      std::string(chat_head) +
          R"(],"system_fingerprint":"fp_1","usage":{"prompt_tokens":3,"completion_tokens":2,)"
          R"("total_tokens":5,"prompt_tokens_details":{"cached_tokens":1},"completion_tokens_details":{"reasoning_tokens":0}}})");
  EXPECT_EQ(events[4], "[DONE]");
}

TEST(ChunkedAnswer, AFailureIsOneErrorThenDone) {
  const auto answer = make_completion_answer(identity, {.choices = 1});
  std::string out;
  answer->delta(text("a"), out);
  answer->failure({RefusalKind::internal, "broken", "", "x"}, out);
  const auto events = events_of(out);
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[1], R"({"error":{"message":"broken","type":"server_error","param":null,"code":"x"}})");
  EXPECT_EQ(events[2], "[DONE]");
}

TEST(ChunkedAnswerDeathTest, EndsOnce) {
  const auto answer = make_completion_answer(identity, {.choices = 1});
  std::string out;
  EXPECT_DEATH(answer->end({}, out), "every choice has ended");
  answer->delta(finish(ChoiceEnd::stop), out);
  EXPECT_DEATH(answer->delta(finish(ChoiceEnd::stop), out), "a choice ends once");
  answer->end({}, out);
  EXPECT_DEATH(answer->end({}, out), "a stream ends once");
  EXPECT_EQ(events_of(out).size(), 2u);
}

TEST(ChunkedAnswer, UsageGoesWithEachChunkIfAskedFor) {
  const auto answer = make_chat_answer(identity, {.include_usage = true, .continuous_usage = true});
  std::string out;
  answer->begin({.prompt_tokens = 7}, out);
  runtime::Delta two = text("ab");
  two.token_ids = {1, 2};
  answer->delta(two, out);
  runtime::Delta last = finish(ChoiceEnd::stop);
  last.token_ids = {3};
  answer->delta(last, out);
  const auto events = events_of(out);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(Json::parse(events[0])["usage"]["total_tokens"], 9);
  EXPECT_EQ(Json::parse(events[1])["usage"]["completion_tokens"], 3);
  for (const auto& each : events)  // what is known at the end alone
    EXPECT_EQ(Json::parse(each)["usage"].size(), 3u) << each;
}

TEST(ChunkedAnswer, ShowsTokenIds) {
  runtime::Delta delta = text("ab");
  delta.token_ids = {4, 5};
  delta.prompt_token_ids = {1, 2, 3};
  const auto chat = make_chat_answer(identity, {.return_token_ids = true});
  const Json chunk = *chat->chunk(delta);
  EXPECT_EQ(chunk["prompt_token_ids"].dump(), "[1,2,3]");
  EXPECT_EQ(chunk["choices"][0]["token_ids"].dump(), "[4,5]");
  EXPECT_FALSE(chat->chunk(text("c"))->contains("prompt_token_ids"));
  const auto completion = make_completion_answer(identity, {.return_token_ids = true, .tokens_as_ids = true});
  delta.logprobs = {{{4, "a", -1}, {}}};
  completion->collect(delta);
  const Json choice = completion->whole({})["choices"][0];
  EXPECT_EQ(choice["prompt_token_ids"].dump(), "[1,2,3]");
  EXPECT_EQ(choice["token_ids"].dump(), "[4,5]");
  EXPECT_EQ(choice["logprobs"]["tokens"].dump(), R"(["token_id:4"])");
}

}  // namespace
}  // namespace troupe::actors::edge::openai
