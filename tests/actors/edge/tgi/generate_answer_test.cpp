#include "actors/edge/tgi/generate_answer.hpp"

#include <gtest/gtest.h>

#include "actors/edge/reply.hpp"
#include "actors/edge/tgi/endpoints.hpp"

namespace troupe::actors::edge::tgi {
namespace {

using runtime::ChoiceEnd;
using runtime::Delta;

Delta token(TokenId id, std::string bytes, std::string content, bool special = false) {
  Delta delta;
  delta.content = std::move(content);
  delta.token_ids = {id};
  delta.logprobs = {{{id, std::move(bytes), -0.5f, special}, {}}};
  return delta;
}
Delta ending(Delta delta, ChoiceEnd how, std::string stop_reason = "") {
  delta.finish = how;
  delta.stop_reason = std::move(stop_reason);
  return delta;
}

TEST(GenerateAnswer, AnEventForEachTokenAndTheLastSaysAll) {
  const auto answer = make_generate_answer({.before = "Say: ", .seed = 7});
  std::string out;
  answer->begin({.prompt_tokens = 3}, out);
  Delta two = token(5, "Hel", "Hel");
  two.logprobs.push_back({{6, "lo", -0.25f}, {}});
  two.content = "Hello";
  answer->delta(two, out);
  answer->delta(ending(token(1, "<end>", "", true), ChoiceEnd::stop), out);
  answer->end({3, 3, 0, 0}, out);
  EXPECT_EQ(
      out,
      R"(data:{"index":1,"token":{"id":5,"text":"Hel","logprob":-0.5,"special":false},"generated_text":null,"details":null})"
      "\n\n"
      R"(data:{"index":2,"token":{"id":6,"text":"lo","logprob":-0.25,"special":false},"generated_text":null,"details":null})"
      "\n\n"
      R"(data:{"index":3,"token":{"id":1,"text":"<end>","logprob":-0.5,"special":true},"generated_text":"Say: Hello",)"
      R"("details":{"finish_reason":"eos_token","generated_tokens":3,"seed":7,"input_length":3}})"
      "\n\n");
}

TEST(GenerateAnswer, ACharacterIsToldWithItsLastToken) {
  const auto answer = make_generate_answer({});
  std::string out;
  answer->delta(token(1, "\xE2\x82", ""), out);
  answer->delta(token(2, "\xAC", "\xE2\x82\xAC"), out);
  answer->delta(ending(token(3, "!", "!"), ChoiceEnd::length), out);
  EXPECT_NE(out.find(R"("text":"","logprob")"), out.npos);
  EXPECT_NE(out.find("\"text\":\"\xE2\x82\xAC\""), out.npos);
}

TEST(GenerateAnswer, AFailureIsTheLastEvent) {
  const auto answer = make_generate_answer({});
  std::string out;
  answer->delta(token(1, "a", "a"), out);
  answer->failure({RefusalKind::internal, "broken", "", ""}, out);
  EXPECT_EQ(
      out,
      R"(data:{"index":1,"token":{"id":1,"text":"a","logprob":-0.5,"special":false},"generated_text":null,"details":null})"
      "\n\n"
      R"(data:{"error":"broken","error_type":"generation"})"
      "\n\n");
}

TEST(GenerateAnswer, Whole) {
  const auto plain = make_generate_answer({});
  plain->collect(token(1, "a", "a"));
  plain->collect(ending(token(2, "b", "b"), ChoiceEnd::length));
  EXPECT_EQ(plain->whole({}).dump(), R"({"generated_text":"ab"})");
  const auto array = make_generate_answer({.before = "x", .in_array = true});
  array->collect(ending(token(1, "a", "a"), ChoiceEnd::stop));
  EXPECT_EQ(array->whole({}).dump(), R"([{"generated_text":"xa"}])");
}

TEST(GenerateAnswer, DetailsOfTokens) {
  const auto answer = make_generate_answer({.details = true, .prefill = true, .top_tokens = true, .seed = 9});
  Delta first = token(5, "a", "a");
  first.prompt_logprobs = {{{3, "x", 0}, {}, 0, true}, {{4, "y", -2}, {}}};
  first.logprobs[0].top = {{5, "a", -0.5f}, {6, "\xE2", -1}};
  answer->collect(first);
  answer->collect(ending(token(7, "END", "END"), ChoiceEnd::stop, "END"));
  EXPECT_EQ(
      answer->whole({2, 2, 0, 0})["details"].dump(),
      R"({"finish_reason":"stop_sequence","generated_tokens":2,"seed":9,)"
      R"("prefill":[{"id":3,"text":"x","logprob":null},{"id":4,"text":"y","logprob":-2.0}],)"
      R"("tokens":[{"id":5,"text":"a","logprob":-0.5,"special":false},{"id":7,"text":"END","logprob":-0.5,"special":false}],)"
      R"("top_tokens":[[{"id":5,"text":"a","logprob":-0.5,"special":false},)"
      R"({"id":6,"text":"bytes:\\xe2","logprob":-1.0,"special":false}],[]]})");
}

TEST(GenerateAnswer, WhatAFilterEndsWasEndedByAText) {
  const auto answer = make_generate_answer({.details = true});
  answer->collect(ending(token(5, "a", "a"), ChoiceEnd::content_filter));
  EXPECT_EQ(answer->whole({})["details"]["finish_reason"], "stop_sequence");
}

TEST(GenerateAnswer, RefusalsInItsWords) {
  const Reply invalid = refusal_reply({RefusalKind::invalid, "wrong", "inputs", ""}, "");
  EXPECT_EQ(invalid.status, 422);
  EXPECT_EQ(invalid.body, R"({"error":"wrong","error_type":"validation"})");
  const Reply full = refusal_reply({RefusalKind::unavailable, "full", "", ""}, "");
  EXPECT_EQ(full.status, 429);
  EXPECT_EQ(full.body, R"({"error":"full","error_type":"overloaded"})");
  EXPECT_EQ(full.headers.front().first, "Retry-After");
  const Reply broken = refusal_reply({RefusalKind::internal, "broken", "", ""}, "");
  EXPECT_EQ(broken.status, 424);
  EXPECT_EQ(broken.body, R"({"error":"broken","error_type":"generation"})");
}

}  // namespace
}  // namespace troupe::actors::edge::tgi
