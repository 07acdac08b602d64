#include <gtest/gtest.h>

#include "actors/edge/openai/endpoints.hpp"

namespace troupe::actors::edge::openai {
namespace {

const ModelInfo model{{"demo"}, "demo", 2048, 0, "fp"};

Expected<ApiRequest> parse(const char* changes, const config::RequestLimits& limits = {}) {
  Json body = {{"model", "demo"}, {"prompt", "hi"}};
  body.update(Json::parse(changes));
  return parse_completion_request(body, model, limits);
}
std::string verdict(const char* changes, const config::RequestLimits& limits = {}) {
  const auto request = parse(changes, limits);
  return request ? "ok" : request.error().param + " " + request.error().code;
}
using Prompts = std::vector<runtime::Prompt>;
using Ids = std::vector<TokenId>;

Prompts prompts_of(const char* changes) {
  const auto request = parse(changes);
  EXPECT_TRUE(request) << (request ? "" : request.error().message);
  return request ? request->generation.prompts : Prompts();
}

TEST(CompletionRequest, ReadsEveryFormOfPrompt) {
  const auto same = [](const Prompts& got, const std::vector<std::variant<std::string, Ids>>& wanted) {
    ASSERT_EQ(got.size(), wanted.size());
    for (std::size_t i = 0; i < got.size(); ++i)
      if (const auto* text = std::get_if<std::string>(&wanted[i]))
        EXPECT_EQ(std::get<std::string>(got[i]), *text);
      else
        EXPECT_EQ(std::get<Ids>(got[i]), std::get<Ids>(wanted[i]));
  };
  same(prompts_of(R"({"prompt": "a"})"), {"a"});
  same(prompts_of(R"({"prompt": ""})"), {""});
  same(prompts_of(R"({"prompt": [1, 2]})"), {Ids{1, 2}});
  same(prompts_of(R"({"prompt": ["a", "b"]})"), {"a", "b"});
  same(prompts_of(R"({"prompt": [[1], [2, 3]]})"), {Ids{1}, Ids{2, 3}});
}

TEST(CompletionRequest, RefusesOtherPrompts) {
  EXPECT_EQ(verdict(R"({"prompt": null})"), "prompt missing_required_parameter");
  EXPECT_EQ(verdict(R"({"prompt": []})"), "prompt empty_array");
  EXPECT_EQ(verdict(R"({"prompt": [[]]})"), "prompt empty_array");
  EXPECT_EQ(verdict(R"({"prompt": 1})"), "prompt invalid_type");
  EXPECT_EQ(verdict(R"({"prompt": {}})"), "prompt invalid_type");
  EXPECT_EQ(verdict(R"({"prompt": [true]})"), "prompt invalid_type");
  EXPECT_EQ(verdict(R"({"prompt": [1, "a"]})"), "prompt invalid_type");
  EXPECT_EQ(verdict(R"({"prompt": ["a", 1]})"), "prompt invalid_type");
  EXPECT_EQ(verdict(R"({"prompt": ["a", [1]]})"), "prompt invalid_type");
  EXPECT_EQ(verdict(R"({"prompt": [1.5]})"), "prompt invalid_type");
  EXPECT_EQ(verdict(R"({"prompt": [-1]})"), "prompt invalid_token_id");
  EXPECT_EQ(verdict(R"({"prompt": [4294967296]})"), "prompt invalid_token_id");
}

TEST(CompletionRequest, DefaultsAreOpenAIs) {
  const auto request = parse("{}");
  ASSERT_TRUE(request);
  EXPECT_FALSE(request->generation.max_tokens);
  EXPECT_EQ(request->generation.default_max_tokens, 16);
  EXPECT_EQ(request->generation.logprobs, -1);
  EXPECT_FALSE(request->generation.echo);
}

TEST(CompletionRequest, ReadsItsOwnFields) {
  EXPECT_EQ(parse(R"({"logprobs": 0})")->generation.logprobs, 0);
  EXPECT_EQ(parse(R"({"logprobs": 20})")->generation.logprobs, 20);
  EXPECT_TRUE(parse(R"({"echo": true})")->generation.echo);
  EXPECT_EQ(verdict(R"({"suffix": ""})"), "ok");
  EXPECT_EQ(verdict(R"({"logprobs": 21})"), "logprobs integer_above_max_value");
  EXPECT_EQ(verdict(R"({"logprobs": true})"), "logprobs invalid_type");
  EXPECT_EQ(verdict(R"({"echo": true, "logprobs": 0})"), "ok");
  EXPECT_EQ(parse(R"({"max_tokens": 0, "echo": true})")->generation.max_tokens, 0);
  EXPECT_EQ(verdict(R"({"suffix": "end"})"), "suffix unsupported_parameter");
  EXPECT_EQ(verdict(R"({"best_of": 3, "stream": true})"), "best_of invalid_value");
  EXPECT_EQ(verdict(R"({"best_of": 1, "n": 2})"), "best_of integer_below_min_value");
  EXPECT_EQ(verdict(R"({"user": 1})"), "user invalid_type");
  EXPECT_EQ(verdict(R"({"prompt_embeds": "x"})"), "prompt_embeds unsupported_parameter");
}

TEST(CompletionRequest, OfMoreChoicesTheMostLikelyAreShown) {
  const auto request = parse(R"({"best_of": 3, "n": 2})");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->generation.n, 3);
  EXPECT_EQ(request->generation.logprobs, 0);
  const auto answer = request->answer({"id", "demo", "fp", 0});
  for (std::int32_t i = 0; i < 3; ++i) {
    runtime::Delta delta;
    delta.choice = i;
    delta.content = std::string(1, char('a' + i));
    delta.logprobs = {{{1, "x", i == 1 ? -3.0f : -float(i)}, {}}};
    delta.token_ids = {1};
    delta.finish = runtime::ChoiceEnd::stop;
    answer->collect(delta);
  }
  const Json choices = answer->whole({})["choices"];
  ASSERT_EQ(choices.size(), 2u);
  EXPECT_EQ(choices[0]["text"], "a");
  EXPECT_EQ(choices[1]["text"], "c");
  EXPECT_EQ(choices[1]["index"], 1);
  EXPECT_TRUE(choices[0]["logprobs"].is_null());
}

// Of which the shorter choice would have more on the average.
TEST(CompletionRequest, AnEchoedPromptDoesNotMakeAChoiceLikely) {
  EXPECT_FALSE(parse(R"({"best_of": 2, "echo": true})")->generation.echo_logprobs) << "nobody sees them";
  const auto request = parse(R"({"best_of": 2, "echo": true, "logprobs": 0})");
  ASSERT_TRUE(request);
  EXPECT_TRUE(request->generation.echo_logprobs);
  const auto answer = request->answer({"id", "demo", "fp", 0});
  const auto collect = [&](std::int32_t choice, const char* text, std::vector<float> logprobs) {
    runtime::Delta delta;
    delta.choice = choice;
    delta.content = text;
    delta.logprobs.assign(3, {{1, "p", 0}, {}});
    for (const float logprob : logprobs) delta.logprobs.push_back({{1, "x", logprob}, {}});
    delta.token_ids.assign(logprobs.size(), 1);
    delta.finish = runtime::ChoiceEnd::stop;
    answer->collect(delta);
  };
  collect(0, "short", {-2});
  collect(1, "long", {-1, -1, -1, -1});
  const Json choices = answer->whole({})["choices"];
  ASSERT_EQ(choices.size(), 1u);
  EXPECT_EQ(choices[0]["text"], "long");
  EXPECT_EQ(choices[0]["logprobs"]["tokens"].size(), 7u);
}

TEST(CompletionRequest, PromptsTimesNIsLimited) {
  config::RequestLimits limits;
  limits.choices = 4;
  EXPECT_EQ(verdict(R"({"prompt": ["a", "b"], "n": 2})", limits), "ok");
  EXPECT_EQ(verdict(R"({"prompt": ["a", "b"], "n": 3})", limits), "n integer_above_max_value");
  EXPECT_EQ(verdict(R"({"prompt": ["a", "b", "c", "d", "e"]})", limits), "prompt array_above_max_length");
}

}  // namespace
}  // namespace troupe::actors::edge::openai
