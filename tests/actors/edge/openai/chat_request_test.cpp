#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <limits>

#include "actors/edge/openai/endpoints.hpp"
#include "actors/edge/reply.hpp"

namespace troupe::actors::edge::openai {
namespace {

const ModelInfo model{{"demo", "alias"}, "demo", 2048, 0, "fp", "", 0, true, true};
const ModelInfo thoughtless{{"demo"}, "demo", 2048, 0, "fp"};

Json valid() {
  return Json::parse(R"({"model": "demo", "messages": [{"role": "user", "content": "hi"}]})");
}

Expected<ApiRequest> parse(const char* changes, const config::RequestLimits& limits = {}) {
  Json body = valid();
  body.update(Json::parse(changes));
  return parse_chat_request(body, model, limits);
}

// "status param code", or "ok".
std::string verdict(const Expected<ApiRequest>& request) {
  if (request) return "ok";
  const Refusal& refusal = request.error();
  return std::to_string(http_status(refusal.kind)) + " " + refusal.param + " " + refusal.code;
}
std::string verdict(const char* changes, const config::RequestLimits& limits = {}) {
  return verdict(parse(changes, limits));
}

runtime::ChatPrompt prompt_of(const char* changes) {
  const auto request = parse(changes);
  EXPECT_TRUE(request) << (request ? "" : request.error().message);
  return request ? std::get<runtime::ChatPrompt>(request->generation.prompts.at(0)) : runtime::ChatPrompt();
}
std::string messages_of(const char* changes) {
  return prompt_of(changes).messages.dump();
}

TEST(ChatRequest, LeavesOutWhatTheClientLeftOut) {
  const auto request = parse("{}");
  ASSERT_TRUE(request);
  const runtime::GenerationRequest& g = request->generation;
  EXPECT_FALSE(g.max_tokens || g.temperature || g.top_p || g.min_p || g.top_k || g.seed);
  EXPECT_EQ(g.n, 1);
  EXPECT_EQ(g.logprobs, -1);
  EXPECT_TRUE(g.stop.empty() && g.stop_token_ids.empty() && g.cache_salt.empty());
  EXPECT_TRUE(g.skip_special_tokens && !g.ignore_eos && !g.include_stop_str_in_output && !g.echo);
  EXPECT_FALSE(request->stream);
  const runtime::ChatPrompt& prompt = std::get<runtime::ChatPrompt>(g.prompts.at(0));
  EXPECT_EQ(prompt.messages.dump(), R"([{"role":"user","content":"hi"}])");
  EXPECT_TRUE(prompt.tools.is_null());
  EXPECT_EQ(prompt.template_kwargs.dump(), "{}");
  EXPECT_TRUE(prompt.add_generation_prompt && !prompt.continue_final_message);
}

TEST(ChatRequest, ReadsEachField) {
  const auto request = parse(R"({"model": "alias", "stream": true, "stream_options": {"include_usage": true},
      "max_tokens": 7, "max_completion_tokens": 9, "n": 3, "stop": ["a", "b"], "seed": -1, "logprobs": true,
      "top_logprobs": 5, "temperature": 0.5, "top_p": 0.25, "top_k": 4, "min_p": 0.125, "stop_token_ids": [1, 2],
      "skip_special_tokens": false, "ignore_eos": true, "include_stop_str_in_output": true, "priority": -3,
      "cache_salt": "s", "include_reasoning": false, "user": "u", "metadata": {"a": 1}, "store": true,
      "service_tier": "auto", "parallel_tool_calls": false, "response_format": {"type": "text"},
      "presence_penalty": 0.0, "repetition_penalty": 1.0, "logit_bias": {}, "some_new_field": [1],
      "chat_template_kwargs": {"thinking": true}})");
  ASSERT_TRUE(request) << request.error().message;
  const runtime::GenerationRequest& g = request->generation;
  EXPECT_TRUE(request->stream);
  // How it is told.
  const auto answer = request->answer({"id", "demo", "fp", 0});
  runtime::Delta delta;
  delta.reasoning = "thought";
  std::string out;
  answer->delta(delta, out);
  EXPECT_EQ(out.find("thought"), out.npos);
  EXPECT_NE(out.find(R"("usage":null)"), out.npos);
  EXPECT_EQ(g.max_tokens, 9);
  EXPECT_EQ(g.n, 3);
  EXPECT_EQ(g.stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(g.seed, 0xFFFF'FFFF'FFFF'FFFFu);
  EXPECT_EQ(g.logprobs, 5);
  EXPECT_EQ(g.temperature, 0.5f);
  EXPECT_EQ(g.top_p, 0.25f);
  EXPECT_EQ(g.top_k, 4);
  EXPECT_EQ(g.min_p, 0.125f);
  EXPECT_EQ(g.stop_token_ids, (std::vector<TokenId>{1, 2}));
  EXPECT_TRUE(!g.skip_special_tokens && g.ignore_eos && g.include_stop_str_in_output);
  EXPECT_EQ(g.priority, -3);
  EXPECT_EQ(g.cache_salt, "s");
  EXPECT_EQ(std::get<runtime::ChatPrompt>(g.prompts[0]).template_kwargs.dump(), R"({"thinking":true})");
}

TEST(ChatRequest, NullCountsAsAbsent) {
  const auto request =
      parse(R"({"stop": null, "n": null, "temperature": null, "tools": null, "tool_choice": null,
      "stream": null, "stream_options": null, "response_format": null, "logprobs": null, "presence_penalty": null,
      "suffix": null, "functions": null, "modalities": null, "chat_template_kwargs": null, "seed": null})");
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_FALSE(request->generation.temperature || request->generation.seed);
}

TEST(ChatRequest, EdgesOfRanges) {
  for (const char* fine :
       {R"({"temperature": 0})", R"({"temperature": 2.5})", R"({"temperature": 100})", R"({"top_p": 1})",
        R"({"top_p": 0.0001})", R"({"min_p": 1})", R"({"top_k": 0})", R"({"n": 128})", R"({"max_tokens": 1})",
        R"({"max_tokens": 2147483647})", R"({"seed": 18446744073709551615})",
        R"({"seed": -9223372036854775808})", R"({"logprobs": true, "top_logprobs": 20})",
        R"({"logprobs": false, "top_logprobs": 0})", R"({"n": 2, "best_of": 2})", R"({"max_tokens": 16.0})",
        R"({"max_tokens": 1e3})", R"({"n": 1.0})"})
    EXPECT_EQ(verdict(fine), "ok") << fine;
  EXPECT_EQ(parse(R"({"top_k": -1})")->generation.top_k, 0);
  EXPECT_EQ(parse(R"({"top_k": -1.0, "seed": -1.0})")->generation.seed, 0xFFFF'FFFF'FFFF'FFFFu);
  EXPECT_EQ(parse(R"({"seed": 1e19})")->generation.seed, 10'000'000'000'000'000'000u);
  EXPECT_EQ(parse(R"({"stop_token_ids": [5.0]})")->generation.stop_token_ids, std::vector<TokenId>{5});
  EXPECT_EQ(parse(R"({"logprobs": true})")->generation.logprobs, 0);
}

TEST(ChatRequest, RefusesWhatIsOutOfRange) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"temperature": -0.1})", "400 temperature decimal_below_min_value"},
      {R"({"temperature": 100.5})", "400 temperature decimal_above_max_value"},
      {R"({"temperature": 1e300})", "400 temperature decimal_above_max_value"},
      {R"({"top_p": 1.5})", "400 top_p decimal_above_max_value"},
      {R"({"min_p": -1})", "400 min_p decimal_below_min_value"},
      {R"({"top_k": -2})", "400 top_k integer_below_min_value"},
      {R"({"n": 0})", "400 n integer_below_min_value"},
      {R"({"n": 129})", "400 n integer_above_max_value"},
      {R"({"max_tokens": 0})", "400 max_tokens integer_below_min_value"},
      {R"({"max_tokens": -5})", "400 max_tokens integer_below_min_value"},
      {R"({"max_tokens": 18446744073709551615})", "400 max_tokens integer_above_max_value"},
      {R"({"max_completion_tokens": 2147483648})", "400 max_completion_tokens integer_above_max_value"},
      {R"({"seed": 99999999999999999999})", "400 seed invalid_type"},
      {R"({"priority": 3000000000})", "400 priority integer_above_max_value"},
      {R"({"logprobs": true, "top_logprobs": 21})", "400 top_logprobs integer_above_max_value"},
      {R"({"top_logprobs": 2})", "400 top_logprobs invalid_value"},
      {R"({"stop_token_ids": [-1]})", "400 stop_token_ids invalid_token_id"},
      {R"({"stop_token_ids": [2147483648]})", "400 stop_token_ids invalid_token_id"},
      {R"({"stop": ""})", "400 stop invalid_value"},
      {R"({"stop": ["a", ""]})", "400 stop invalid_value"},
      {R"({"cache_salt": ""})", "400 cache_salt invalid_value"},
  };
  for (const auto& [changes, expected] : cases) EXPECT_EQ(verdict(changes), expected) << changes;
}

TEST(ChatRequest, RefusesWrongTypes) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"model": 1})", "model"},
      {R"({"messages": {}})", "messages"},
      {R"({"messages": "hi"})", "messages"},
      {R"({"messages": ["hi"]})", "messages[0]"},
      {R"({"stream": 1})", "stream"},
      {R"({"stream": "true"})", "stream"},
      {R"({"stream": true, "stream_options": true})", "stream_options"},
      {R"({"stream": true, "stream_options": {"include_usage": 1}})", "stream_options.include_usage"},
      {R"({"n": true})", "n"},
      {R"({"n": 1.5})", "n"},
      {R"({"n": "1"})", "n"},
      {R"({"max_tokens": "5"})", "max_tokens"},
      {R"({"max_tokens": 1e300})", "max_tokens"},
      {R"({"separate_reasoning": "no"})", "separate_reasoning"},
      {R"({"regex": 5})", "regex"},
      {R"({"temperature": "hot"})", "temperature"},
      {R"({"temperature": true})", "temperature"},
      {R"({"stop": 5})", "stop"},
      {R"({"stop": [5]})", "stop"},
      {R"({"seed": 1.5})", "seed"},
      {R"({"seed": true})", "seed"},
      {R"({"logprobs": 5})", "logprobs"},
      {R"({"top_logprobs": "2"})", "top_logprobs"},
      {R"({"stop_token_ids": 1})", "stop_token_ids"},
      {R"({"stop_token_ids": ["1"]})", "stop_token_ids"},
      {R"({"tools": {}})", "tools"},
      {R"({"tool_choice": 1})", "tool_choice"},
      {R"({"response_format": "text"})", "response_format"},
      {R"({"response_format": {"type": 1}})", "response_format.type"},
      {R"({"presence_penalty": "0"})", "presence_penalty"},
      {R"({"logit_bias": []})", "logit_bias"},
      {R"({"chat_template_kwargs": []})", "chat_template_kwargs"},
      {R"({"add_generation_prompt": 1})", "add_generation_prompt"},
      {R"({"ignore_eos": 0})", "ignore_eos"},
      {R"({"cache_salt": 1})", "cache_salt"},
      {R"({"user": 1})", "user"},
      {R"({"metadata": "x"})", "metadata"},
      {R"({"store": "x"})", "store"},
      {R"({"service_tier": 1})", "service_tier"},
      {R"({"prompt_cache_key": 1})", "prompt_cache_key"},
      {R"({"safety_identifier": 1})", "safety_identifier"},
      {R"({"stream": true, "stream_options": {"continuous_usage_stats": "x"}})",
       "stream_options.continuous_usage_stats"},
  };
  for (const auto& [changes, param] : cases)
    EXPECT_EQ(verdict(changes), std::string("400 ") + param + " invalid_type") << changes;
}

TEST(ChatRequest, RefusesByNameWhatItCannotHonour) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"length_penalty": 2})", "length_penalty"},
      {R"({"use_beam_search": true})", "use_beam_search"},
      {R"({"response_format": {"type": "xml"}})", "response_format.type"},
      {R"({"structured_outputs": {"json": {}, "whitespace_pattern": "x"}})",
       "structured_outputs.whitespace_pattern"},
      {R"({"best_of": 2})", "best_of"},
      {R"({"stop_regex": "a+"})", "stop_regex"},
      {R"({"no_stop_trim": true})", "no_stop_trim"},
      {R"({"separate_reasoning": false})", "separate_reasoning"},
      {R"({"stream_reasoning": false})", "stream_reasoning"},
      {R"({"custom_logit_processor": "x"})", "custom_logit_processor"},
      {R"({"lora_path": "x"})", "lora_path"},
      {R"({"return_hidden_states": true})", "return_hidden_states"},
      {R"({"repetition_detection": {"max_pattern_size": 5}})", "repetition_detection"},
      {R"({"modalities": ["text", "audio"]})", "modalities"},
  };
  for (const auto& [changes, param] : cases)
    EXPECT_EQ(verdict(changes), std::string("400 ") + param + " unsupported_parameter") << changes;
  EXPECT_EQ(parse(R"({"length_penalty": 2})").error().message,
            "'length_penalty' is not supported yet: leave it out or send 1.");
}

TEST(ChatRequest, ReadsWhatChangesLogits) {
  const auto request = parse(R"({"presence_penalty": 0.5, "frequency_penalty": -1, "repetition_penalty": 1.25,
      "logit_bias": {"5": 1, "7": -500}, "min_tokens": 3, "bad_words": ["fox"], "allowed_token_ids": [5, 7],
      "prompt_logprobs": 2, "truncate_prompt_tokens": 9, "return_token_ids": true, "thinking_token_budget": 4,
      "add_special_tokens": true})");
  ASSERT_TRUE(request) << request.error().message;
  const runtime::GenerationRequest& g = request->generation;
  EXPECT_EQ(g.presence_penalty, 0.5f);
  EXPECT_EQ(g.frequency_penalty, -1);
  EXPECT_EQ(g.repetition_penalty, 1.25f);
  EXPECT_EQ(g.logit_bias, (std::vector<TokenBias>{{5, 1}, {7, -100}}));
  EXPECT_EQ(g.min_tokens, 3);
  EXPECT_EQ(g.bad_words, std::vector<std::string>{"fox"});
  EXPECT_EQ(g.allowed_token_ids, (std::vector<TokenId>{5, 7}));
  EXPECT_EQ(g.prompt_logprobs, 2);
  EXPECT_EQ(g.truncate_prompt_tokens, 9);
  EXPECT_EQ(g.thinking_token_budget, 4);
  EXPECT_TRUE(g.return_prompt_ids && g.add_special_tokens.value());
  const std::pair<const char*, const char*> wrong[] = {
      {R"({"logit_bias": {"x": 1}})", "400 logit_bias invalid_token_id"},
      {R"({"logit_bias": {"5": "a"}})", "400 logit_bias invalid_type"},
      {R"({"logit_bias": {"5": 1, "05": 2}})", "400 logit_bias invalid_token_id"},
      {R"({"logit_bias": []})", "400 logit_bias invalid_type"},
      {R"({"presence_penalty": 3})", "400 presence_penalty decimal_above_max_value"},
      {R"({"repetition_penalty": 0})", "400 repetition_penalty decimal_below_min_value"},
      {R"({"bad_words": [""]})", "400 bad_words invalid_value"},
      {R"({"bad_words": [1]})", "400 bad_words invalid_type"},
      {R"({"allowed_token_ids": []})", "400 allowed_token_ids empty_array"},
      {R"({"truncate_prompt_tokens": 0})", "400 truncate_prompt_tokens invalid_value"},
      {R"({"prompt_logprobs": 1, "stream": true})", "400 prompt_logprobs invalid_value"},
  };
  for (const auto& [changes, expected] : wrong) EXPECT_EQ(verdict(changes), expected) << changes;
}

TEST(ChatRequest, WhatATableOrANameMayHoldIsLimited) {
  config::RequestLimits limits;
  limits.logit_biases = 2;
  EXPECT_EQ(verdict(R"({"logit_bias": {"1": 1, "2": 1}})", limits), "ok");
  EXPECT_EQ(verdict(R"({"logit_bias": {"1": 1, "2": 1, "3": 1}})", limits), "400 logit_bias invalid_value");
  const auto named = [](std::size_t bytes) { return Json{{"request_id", std::string(bytes, 'x')}}.dump(); };
  EXPECT_EQ(verdict(named(max_request_id_bytes).c_str()), "ok");
  EXPECT_EQ(verdict(named(max_request_id_bytes + 1).c_str()), "400 request_id string_above_max_length");
}

// A list is held as long as its request is, so that what is in it twice is not.
TEST(ChatRequest, TheAllowedTokensAreOrderedAndEachIsThereOnce) {
  config::RequestLimits limits;
  EXPECT_EQ(parse(R"({"allowed_token_ids": [7, 5, 7, 5, 6]})")->generation.allowed_token_ids,
            (std::vector<TokenId>{5, 6, 7}));
  EXPECT_EQ(verdict(R"({"allowed_token_ids": [1, -1]})"), "400 allowed_token_ids invalid_token_id");
  EXPECT_EQ(verdict(R"({"allowed_token_ids": 1})"), "400 allowed_token_ids invalid_type");
  limits.allowed_token_ids = 2;
  EXPECT_EQ(verdict(R"({"allowed_token_ids": [1, 2]})", limits), "ok");
  EXPECT_EQ(verdict(R"({"allowed_token_ids": [1, 1, 1]})", limits),
            "400 allowed_token_ids array_above_max_length");
}

TEST(ChatRequest, ATopPOfNothingLeavesTheMostLikelyToken) {
  EXPECT_EQ(parse(R"({"top_p": 0})")->generation.top_p, std::numeric_limits<float>::min());
  EXPECT_EQ(verdict(R"({"top_p": -0.1})"), "400 top_p decimal_below_min_value");
}

TEST(ChatRequest, ReadsEachWayOfStructure) {
  using Kind = GrammarSpec::Kind;
  const std::tuple<const char*, Kind, const char*> cases[] = {
      {R"({"response_format": {"type": "json_object"}})", Kind::json_object, ""},
      {R"({"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"b": 1}}}})",
       Kind::json_schema, R"({"b":1})"},
      {R"({"structured_outputs": {"json": "{}"}})", Kind::json_schema, "{}"},
      {R"({"structured_outputs": {"regex": "a+"}})", Kind::regex, "a+"},
      {R"({"guided_choice": ["x", "y"]})", Kind::choice, R"(["x","y"])"},
      {R"({"guided_grammar": "root ::= \"a\""})", Kind::ebnf, "root ::= \"a\""},
      {R"({"guided_json": {"type": "object"}})", Kind::json_schema, R"({"type":"object"})"},
      {R"({"json_schema": "{}"})", Kind::json_schema, "{}"},
      {R"({"regex": "a+"})", Kind::regex, "a+"},
      {R"({"ebnf": "root ::= \"a\""})", Kind::ebnf, "root ::= \"a\""},
  };
  for (const auto& [changes, kind, text] : cases) {
    const auto request = parse(changes);
    ASSERT_TRUE(request && request->generation.grammar) << changes;
    EXPECT_EQ(request->generation.grammar->kind, kind) << changes;
    EXPECT_EQ(request->generation.grammar->text, text) << changes;
  }
  EXPECT_FALSE(parse(R"({"response_format": {"type": "text"}})")->generation.grammar);
  const std::pair<const char*, const char*> wrong[] = {
      {R"({"response_format": {}})", "400 response_format.type missing_required_parameter"},
      {R"({"response_format": {"type": "json_schema"}})",
       "400 response_format.json_schema missing_required_parameter"},
      {R"({"response_format": {"type": "json_schema", "json_schema": {"schema": 1}}})",
       "400 response_format.json_schema.schema invalid_type"},
      {R"({"guided_choice": []})", "400 guided_choice empty_array"},
      {R"({"guided_choice": [1]})", "400 guided_choice invalid_type"},
      {R"({"guided_regex": ""})", "400 guided_regex invalid_value"},
      {R"({"structured_outputs": {}})", "400 structured_outputs invalid_value"},
      {R"({"guided_regex": "a", "response_format": {"type": "json_object"}})",
       "400 structured_outputs invalid_value"},
      {R"({"guided_regex": "a", "regex": "a"})", "400 structured_outputs invalid_value"},
  };
  for (const auto& [changes, expected] : wrong) EXPECT_EQ(verdict(changes), expected) << changes;
}

// What the replica would tell of a field, by the name under which the client sent it.
std::string told(const char* changes, const char* param) {
  return in_own_names(parse(changes)->own_names, {RefusalKind::invalid, "", param, ""}).param;
}

TEST(ChatRequest, LaterFaultsNameTheFieldThatCame) {
  EXPECT_EQ(told(R"({"guided_regex": "a"})", "response_format"), "guided_regex");
  EXPECT_EQ(told(R"({"structured_outputs": {"choice": ["a"]}})", "response_format"),
            "structured_outputs.choice");
  EXPECT_EQ(told(R"({"regex": "a"})", "response_format"), "regex");
  EXPECT_EQ(told(R"({"response_format": {"type": "json_object"}})", "response_format"), "response_format");
  EXPECT_EQ(told(R"({"max_completion_tokens": 9})", "max_tokens"), "max_completion_tokens");
  EXPECT_EQ(told(R"({"max_tokens": 9})", "max_tokens"), "max_tokens");
  EXPECT_EQ(told(R"({"enable_thinking": false})", "thinking"), "enable_thinking");
  EXPECT_EQ(told(R"({"functions": [{"name": "g"}]})", "tools"), "functions");
}

TEST(ChatRequest, AnAnswerIsStructuredOrACall) {
  const auto with = [](const std::string& choice, const std::string& structure) {
    return verdict((R"({"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": )" +
                    choice + ", " + structure + "}")
                       .c_str());
  };
  const std::string json = R"("response_format": {"type": "json_object"})", regex = R"("guided_regex": "a")",
                    named = R"({"type": "function", "function": {"name": "f"}})";
  EXPECT_EQ(with("\"required\"", json), "400 response_format invalid_value");
  EXPECT_EQ(with(named, regex), "400 guided_regex invalid_value");
  EXPECT_EQ(with("\"auto\"", json), "ok");
  EXPECT_EQ(with("\"required\"", R"("response_format": {"type": "text"})"), "ok");
}

TEST(ChatRequest, AnOperatorMaySayWhatAnswersTell) {
  config::RequestLimits limits;
  limits.always_usage = limits.tokens_as_ids = true;
  const auto told = [&](const char* changes) {
    const auto answer = parse(changes, limits)->answer({"id", "demo", "fp", 0});
    runtime::Delta delta;
    delta.content = "x";
    delta.logprobs = {{{42, "x", -1}, {}}};
    delta.finish = runtime::ChoiceEnd::stop;
    std::string out;
    answer->delta(delta, out);
    answer->end({}, out);
    return out;
  };
  const std::string asked = told(R"({"stream": true, "logprobs": true})");
  EXPECT_NE(asked.find(R"("token":"token_id:42")"), asked.npos) << asked;
  EXPECT_NE(asked.find(R"("prompt_tokens":0)"), asked.npos) << asked;
  const std::string otherwise = told(
      R"({"stream": true, "logprobs": true, "return_tokens_as_token_ids": false, "stream_options": {"include_usage": false}})");
  EXPECT_EQ(otherwise.find("token_id:42"), otherwise.npos) << otherwise;
  EXPECT_NE(otherwise.find(R"("prompt_tokens":0)"), otherwise.npos) << otherwise;
}

TEST(ChatRequest, WaysToSayWhetherToThinkMustAgree) {
  EXPECT_FALSE(prompt_of("{}").thinking);
  for (const char* on :
       {R"({"thinking": {"type": "enabled"}, "enable_thinking": true, "reasoning_effort": "low"})",
        R"({"thinking": true})", R"({"reasoning_effort": "high"})",
        R"({"chat_template_kwargs": {"thinking": true, "enable_thinking": true}})"})
    EXPECT_EQ(prompt_of(on).thinking, true) << on;
  for (const char* off : {R"({"thinking": {"type": "disabled"}})", R"({"reasoning_effort": "none"})",
                          R"({"chat_template_kwargs": {"enable_thinking": false}})"})
    EXPECT_EQ(prompt_of(off).thinking, false) << off;
  const std::pair<const char*, const char*> wrong[] = {
      {R"({"thinking": {"type": "disabled"}, "enable_thinking": true})", "400 enable_thinking invalid_value"},
      {R"({"enable_thinking": false, "reasoning_effort": "low"})", "400 reasoning_effort invalid_value"},
      {R"({"thinking": true, "reasoning_effort": "none"})", "400 reasoning_effort invalid_value"},
      {R"({"enable_thinking": false, "chat_template_kwargs": {"thinking": true}})",
       "400 chat_template_kwargs invalid_value"},
      {R"({"thinking": {}})", "400 thinking.type missing_required_parameter"},
      {R"({"thinking": {"type": "some"}})", "400 thinking.type invalid_value"},
      {R"({"thinking": {"type": "enabled", "budget_tokens": "x"}})",
       "400 thinking.budget_tokens invalid_type"},
      {R"({"thinking": {"type": "enabled", "budget_tokens": 5}, "thinking_token_budget": 6})",
       "400 thinking.budget_tokens invalid_value"},
  };
  for (const auto& [changes, expected] : wrong) EXPECT_EQ(verdict(changes), expected) << changes;
  const auto budget = parse(R"({"thinking": {"type": "enabled", "budget_tokens": 5}})");
  EXPECT_EQ(budget->generation.thinking_token_budget, 5);
}

TEST(ChatRequest, AModelThatDoesNotThinkSaysSo) {
  const auto verdict_on = [](const char* changes) {
    Json body = valid();
    body.update(Json::parse(changes));
    return verdict(parse_chat_request(body, thoughtless, {}));
  };
  EXPECT_EQ(verdict_on(R"({"enable_thinking": true})"), "400 enable_thinking unsupported_parameter");
  EXPECT_EQ(verdict_on(R"({"thinking": {"type": "enabled"}})"), "400 thinking unsupported_parameter");
  EXPECT_EQ(verdict_on(R"({"chat_template_kwargs": {"thinking": true}})"),
            "400 chat_template_kwargs unsupported_parameter");
  EXPECT_EQ(verdict_on(R"({"enable_thinking": false})"), "ok");
  EXPECT_EQ(verdict_on(R"({"reasoning_effort": "high"})"), "ok");  // how much, where there is some
}

TEST(ChatRequest, ReadsForcedToolsAndTheOlderWordsForThem) {
  using Choice = runtime::ChatPrompt::ToolChoice;
  const std::string tools = R"({"tools": [{"type": "function", "function": {"name": "f"}}], )";
  EXPECT_EQ(prompt_of((tools + R"("tool_choice": "required"})").c_str()).tool_choice, Choice::required);
  const auto named =
      prompt_of((tools + R"("tool_choice": {"type": "function", "function": {"name": "f"}}})").c_str());
  EXPECT_EQ(named.tool_choice, Choice::named);
  EXPECT_EQ(named.tool_name, "f");
  EXPECT_FALSE(prompt_of((tools + R"("parallel_tool_calls": false})").c_str()).parallel_tool_calls);
  const auto older = prompt_of(R"({"functions": [{"name": "g"}], "function_call": {"name": "g"}})");
  EXPECT_EQ(older.tool_name, "g");
  EXPECT_FALSE(older.parallel_tool_calls);
  EXPECT_EQ(verdict(R"({"functions": [{"name": ""}]})"), "400 functions[0].name missing_required_parameter");
  EXPECT_EQ(verdict(R"({"functions": [{"name": "g", "parameters": 1}]})"),
            "400 functions[0].parameters invalid_type");
  EXPECT_EQ(verdict(R"({"functions": [1]})"), "400 functions[0] invalid_type");
  EXPECT_EQ(verdict(R"({"tool_choice": "required"})"), "400 tool_choice invalid_value");
  EXPECT_EQ(verdict((tools + R"("tool_choice": {"function": {"name": "g"}}})").c_str()),
            "400 tool_choice.function.name invalid_value");
  EXPECT_EQ(verdict((tools + R"("functions": [{"name": "g"}]})").c_str()), "400 functions invalid_value");
}

TEST(ChatRequest, TheModelIsToldOfTheAllowedToolsAlone) {
  using Choice = runtime::ChatPrompt::ToolChoice;
  const auto with = [](const std::string& allowed) {
    return R"({"tools": [{"type": "function", "function": {"name": "f"}}, {"type": "function", "function": {"name": "g"}},
        {"type": "function", "function": {"name": "h"}}], "tool_choice": {"type": "allowed_tools", )" +
           allowed + "}}";
  };
  const std::string tools =
      R"("tools": [{"type": "function", "function": {"name": "h"}}, {"type": "function", "function": {"name": "f"}}]})";
  const auto open = prompt_of(with(R"("allowed_tools": {"mode": "auto", )" + tools).c_str());
  ASSERT_EQ(open.tools.size(), 2u);
  EXPECT_EQ(open.tools[0]["function"]["name"], "f");
  EXPECT_EQ(open.tools[1]["function"]["name"], "h");
  EXPECT_EQ(open.tool_choice, Choice::any_or_none);
  EXPECT_EQ(prompt_of(with(R"("allowed_tools": {"mode": "required", )" + tools).c_str()).tool_choice,
            Choice::required);
  const std::pair<const char*, const char*> wrong[] = {
      {R"("mode": "auto")", "400 tool_choice.allowed_tools missing_required_parameter"},
      {R"("allowed_tools": {"tools": []})", "400 tool_choice.allowed_tools.mode missing_required_parameter"},
      {R"("allowed_tools": {"mode": "none", "tools": []})",
       "400 tool_choice.allowed_tools.mode invalid_value"},
      {R"("allowed_tools": {"mode": "auto"})",
       "400 tool_choice.allowed_tools.tools missing_required_parameter"},
      {R"("allowed_tools": {"mode": "auto", "tools": []})",
       "400 tool_choice.allowed_tools.tools invalid_value"},
      {R"("allowed_tools": {"mode": "auto", "tools": [{"function": {"name": "i"}}]})",
       "400 tool_choice.allowed_tools.tools invalid_value"},
      {R"("allowed_tools": {"mode": "auto", "tools": [{"type": "mcp"}]})",
       "400 tool_choice.allowed_tools.tools[0].type invalid_value"},
      {R"("allowed_tools": {"mode": "auto", "tools": [{"type": "function"}]})",
       "400 tool_choice.allowed_tools.tools[0].function missing_required_parameter"},
      {R"("allowed_tools": {"mode": "auto", "tools": [{"function": {"name": 1}}]})",
       "400 tool_choice.allowed_tools.tools[0].function.name invalid_type"},
  };
  for (const auto& [allowed, expected] : wrong)
    EXPECT_EQ(verdict(with(allowed).c_str()), expected) << allowed;
}

TEST(ChatRequest, ReadsHowMuchToWrite) {
  EXPECT_EQ(prompt_of("{}").verbosity, "");
  for (const char* word : {"low", "medium", "high"})
    EXPECT_EQ(prompt_of((R"({"verbosity": ")" + std::string(word) + "\"}").c_str()).verbosity, word);
  EXPECT_EQ(verdict(R"({"verbosity": "loud"})"), "400 verbosity invalid_value");
  EXPECT_EQ(verdict(R"({"verbosity": 1})"), "400 verbosity invalid_type");
}

TEST(ChatRequest, ReadsHowMuchToThink) {
  EXPECT_EQ(prompt_of(R"({"thinking": {"type": "enabled"}})").thinking, true);
  EXPECT_EQ(prompt_of(R"({"thinking": {"type": "disabled"}})").thinking, false);
  EXPECT_EQ(prompt_of(R"({"enable_thinking": true})").thinking, true);
  EXPECT_EQ(prompt_of(R"({"reasoning_effort": "none"})").thinking, false);
  EXPECT_EQ(prompt_of(R"({"reasoning_effort": "high"})").reasoning_effort, "high");
  EXPECT_EQ(prompt_of(R"({"reasoning_effort": "max"})").reasoning_effort, "max");
  EXPECT_EQ(prompt_of(R"({"reasoning_effort": "high"})").thinking, true);
  EXPECT_FALSE(prompt_of("{}").thinking);
  EXPECT_EQ(verdict(R"({"thinking": {"type": "much"}})"), "400 thinking.type invalid_value");
  EXPECT_EQ(verdict(R"({"thinking": 1})"), "400 thinking invalid_type");
  EXPECT_EQ(verdict(R"({"reasoning_effort": "huge"})"), "400 reasoning_effort invalid_value");
}

TEST(ChatRequest, GoesOnWithAMessageThatIsMarkedAsABeginning) {
  const auto prompt = prompt_of(R"({"messages": [{"role": "user", "content": "q"},
                                                 {"role": "assistant", "content": "So", "prefix": true}]})");
  EXPECT_TRUE(prompt.continue_final_message && !prompt.add_generation_prompt);
}

// How the answer tells of a call, and why it ended.
Json told_call(const char* changes) {
  const auto answer = parse(changes)->answer({"id", "demo", "fp", 0});
  runtime::Delta delta;
  delta.tool_calls = {{0, "c", "g", "{}"}};
  delta.finish = runtime::ChoiceEnd::tool_calls;
  answer->collect(delta);
  return answer->whole({})["choices"][0];
}

TEST(ChatRequest, CallsAreToldInTheWordsOfTheRequest) {
  const std::string functions = R"({"functions": [{"name": "g"}])",
                    tools = R"({"tools": [{"type": "function", "function": {"name": "g"}}])";
  for (const char* choice : {"", R"(, "function_call": "auto")"}) {
    const Json called = told_call((functions + choice + "}").c_str());
    EXPECT_EQ(called["message"]["function_call"].dump(), R"({"name":"g","arguments":"{}"})");
    EXPECT_FALSE(called["message"].contains("tool_calls"));
    EXPECT_EQ(called["finish_reason"], "function_call");
  }
  EXPECT_EQ(told_call((functions + R"(, "function_call": {"name": "g"}})").c_str())["finish_reason"], "stop");
  for (const char* choice : {"", R"(, "tool_choice": "auto")", R"(, "tool_choice": "required")"}) {
    const Json called = told_call((tools + choice + "}").c_str());
    EXPECT_EQ(called["message"]["tool_calls"].size(), 1u);
    EXPECT_EQ(called["finish_reason"], "tool_calls");
  }
  const Json named =
      told_call((tools + R"(, "tool_choice": {"type": "function", "function": {"name": "g"}}})").c_str());
  EXPECT_EQ(named["message"]["tool_calls"].size(), 1u);
  EXPECT_EQ(named["finish_reason"], "stop");
}

TEST(ChatRequest, OfALongNameOfAModelTheBeginningIsTold) {
  EXPECT_EQ(parse((R"({"model": ")" + std::string(200, 'm') + "\"}").c_str()).error().message,
            "The model '" + std::string(64, 'm') + "...' does not exist; see /v1/models.");
}

TEST(ChatRequest, NeedsAModelThatIsServed) {
  EXPECT_EQ(verdict(R"({"model": "gpt"})"), "404 model model_not_found");
  EXPECT_EQ(verdict(R"({"model": null})"), "400 model missing_required_parameter");
}

TEST(ChatRequest, NeedsMessages) {
  EXPECT_EQ(verdict(R"({"messages": null})"), "400 messages missing_required_parameter");
  EXPECT_EQ(verdict(R"({"messages": []})"), "400 messages empty_array");
  const std::pair<const char*, const char*> cases[] = {
      {R"({})", "400 messages[0].role missing_required_parameter"},
      {R"({"role": "user"})", "400 messages[0].content missing_required_parameter"},
      {R"({"role": "assistant", "content": null})", "400 messages[0].content missing_required_parameter"},
      {R"({"role": "boss", "content": ""})", "400 messages[0].role invalid_value"},
      {R"({"role": 1, "content": ""})", "400 messages[0].role invalid_type"},
      {R"({"role": "user", "content": 1})", "400 messages[0].content invalid_type"},
      {R"({"role": "user", "content": [1]})", "400 messages[0].content[0] invalid_type"},
      {R"({"role": "user", "content": [{"type": "text"}]})",
       "400 messages[0].content[0].text missing_required_parameter"},
      {R"({"role": "user", "content": [{"type": "image_url", "image_url": {}}]})",
       "400 messages[0].content[0].type unsupported_content_part"},
      {R"({"role": "user", "content": "", "name": 1})", "400 messages[0].name invalid_type"},
      {R"({"role": "user", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": ""}}]})",
       "400 messages[0].tool_calls invalid_value"},
      {R"({"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]})",
       "400 messages[0].tool_calls[0].function.arguments invalid_type"},
      {R"({"role": "assistant", "tool_calls": [{"type": "function"}]})",
       "400 messages[0].tool_calls[0].function missing_required_parameter"},
      {R"({"role": "assistant", "function_call": {"name": "f"}, "content": ""})",
       "400 messages[0].function_call.arguments missing_required_parameter"},
  };
  for (const auto& [message, expected] : cases)
    EXPECT_EQ(verdict((std::string(R"({"messages": [)") + message + "]}").c_str()), expected) << message;
}

TEST(ChatRequest, RefusalsNameKnownPartTypesAndQuoteNoOthers) {
  const auto of = [](std::string type) {
    return parse((R"({"messages": [{"role": "user", "content": [{"type": ")" + type + R"("}]}]})").c_str())
        .error()
        .message;
  };
  EXPECT_NE(of("image_url").find("'image_url'"), std::string::npos);
  EXPECT_EQ(of("my secret").find("secret"), std::string::npos);
}

TEST(ChatRequest, BringsMessagesIntoOneForm) {
  EXPECT_EQ(messages_of(R"({"messages": [{"content": "be brief", "role": "developer", "name": null}]})"),
            R"([{"role":"system","content":"be brief"}])");
  EXPECT_EQ(messages_of(R"({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"},
                                                                      {"type": "text", "text": "b"}]}]})"),
            R"([{"role":"user","content":"a\nb"}])");
  EXPECT_EQ(
      messages_of(R"({"messages": [{"role": "assistant", "reasoning": "r", "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}]})"),
      R"([{"role":"assistant","content":null,"reasoning":"r","tool_calls":[{"id":"c","type":"function",)"
      R"("function":{"name":"f","arguments":"{}"}}],"reasoning_content":"r"}])");
  EXPECT_EQ(
      messages_of(R"({"messages": [{"role": "tool", "tool_call_id": "c", "content": "4", "tool_calls": []},
                                         {"role": "assistant", "content": "x", "prefix": true}]})"),
      R"([{"role":"tool","content":"4","tool_call_id":"c"},{"role":"assistant","content":"x","prefix":true}])");
}

TEST(ChatRequest, ReadsTools) {
  const std::string tool =
      R"({"type":"function","function":{"name":"f","parameters":{"z":1,"a":2},"description":""}})";
  const auto with = [&](const std::string& rest) { return R"({"tools": [)" + tool + "]" + rest + "}"; };
  EXPECT_EQ(prompt_of(with("").c_str()).tools.dump(), "[" + tool + "]");
  EXPECT_EQ(prompt_of(with(R"(, "tool_choice": "auto")").c_str()).tools.dump(), "[" + tool + "]");
  const auto none = prompt_of(with(R"(, "tool_choice": "none")").c_str());
  EXPECT_TRUE(!none.tools.is_null() && !none.parse_tool_calls);  // the model sees them all the same
  EXPECT_TRUE(prompt_of(R"({"tools": []})").tools.is_null());
  EXPECT_EQ(
      prompt_of(R"({"tools": [{"type": "function", "function": {"name": "f"}}]})").tools.dump(),
      R"([{"type":"function","function":{"name":"f","description":"","parameters":{"type":"object","properties":{}}}}])");
  EXPECT_EQ(verdict(R"({"tools": [1]})"), "400 tools[0] invalid_type");
  EXPECT_EQ(verdict(R"({"tools": [{"type": "web"}]})"), "400 tools[0].type invalid_value");
  EXPECT_EQ(verdict(R"({"tools": [{"type": "function"}]})"),
            "400 tools[0].function missing_required_parameter");
  EXPECT_EQ(verdict(R"({"tools": [{"type": "function", "function": {"name": ""}}]})"),
            "400 tools[0].function.name missing_required_parameter");
  EXPECT_EQ(verdict(R"({"tools": [{"type": "function", "function": {"name": "f", "parameters": []}}]})"),
            "400 tools[0].function.parameters invalid_type");
  EXPECT_EQ(verdict(R"({"tool_choice": "sometimes"})"), "400 tool_choice invalid_value");
}

TEST(ChatRequest, ContinuesAnAssistantMessageOnly) {
  EXPECT_EQ(verdict(R"({"continue_final_message": true})"), "400 continue_final_message invalid_value");
  EXPECT_EQ(verdict(R"({"continue_final_message": true, "add_generation_prompt": false})"),
            "400 continue_final_message invalid_value");
  EXPECT_TRUE(prompt_of(R"({"continue_final_message": true, "add_generation_prompt": false,
                            "messages": [{"role": "assistant", "content": "So"}]})")
                  .continue_final_message);
}

TEST(ChatRequest, StreamOptionsNeedAStream) {
  EXPECT_EQ(verdict(R"({"stream_options": {"include_usage": true}})"), "400 stream_options invalid_value");
}

TEST(ChatRequest, TemplateArgumentsCannotReplaceTheMessages) {
  EXPECT_EQ(verdict(R"({"chat_template_kwargs": {"messages": []}})"),
            "400 chat_template_kwargs invalid_value");
}

TEST(ChatRequest, EachLimitHolds) {
  config::RequestLimits limits;
  limits.messages = limits.content_parts = limits.tool_calls = limits.tools = 1;
  limits.stop_strings = limits.stop_token_ids = 1;
  limits.stop_string_bytes = 2;
  limits.name_bytes = 5;
  limits.choices = 2;
  limits.logprobs = 1;
  EXPECT_EQ(verdict("{}", limits), "ok");
  const std::pair<const char*, const char*> cases[] = {
      {R"({"messages": [{"role": "user", "content": ""}, {"role": "user", "content": ""}]})",
       "400 messages array_above_max_length"},
      {R"({"messages": [{"role": "user", "content": [{"type": "text", "text": ""}, {"type": "text", "text": ""}]}]})",
       "400 messages[0].content array_above_max_length"},
      {R"({"messages": [{"role": "assistant", "tool_calls": [{}, {}]}]})",
       "400 messages[0].tool_calls array_above_max_length"},
      {R"({"tools": [{}, {}]})", "400 tools array_above_max_length"},
      {R"({"stop": ["a", "b"]})", "400 stop array_above_max_length"},
      {R"({"stop": "abc"})", "400 stop invalid_value"},
      {R"({"stop_token_ids": [1, 2]})", "400 stop_token_ids array_above_max_length"},
      {R"({"cache_salt": "abcdef"})", "400 cache_salt string_above_max_length"},
      {R"({"model": "abcdef"})", "400 model string_above_max_length"},
      {R"({"n": 3})", "400 n integer_above_max_value"},
      {R"({"logprobs": true, "top_logprobs": 2})", "400 top_logprobs integer_above_max_value"},
  };
  for (const auto& [changes, expected] : cases) EXPECT_EQ(verdict(changes, limits), expected) << changes;
}

// Whatever stands in whichever known field, the answer is a request or a refusal.
RC_GTEST_PROP(ChatRequest, AnyValueInAnyFieldIsReadOrRefused, ()) {
  const auto field = *rc::gen::element<std::string>(
      "model", "messages", "tools", "tool_choice", "stream", "stream_options", "max_tokens", "n", "stop",
      "seed", "logprobs", "top_logprobs", "temperature", "top_p", "top_k", "response_format", "logit_bias",
      "stop_token_ids", "chat_template_kwargs", "modalities", "functions", "continue_final_message",
      "structured_outputs", "guided_choice", "bad_words", "thinking", "enable_thinking", "reasoning_effort",
      "user", "function_call", "prompt_logprobs");
  const auto text = *rc::gen::element<std::string>(
      "null", "true", "-1", "0", "1e308", "18446744073709551615", "\"\"", "\"x\"", "[]", "{}", "[null]",
      "[[]]", "[{}]", "[1,\"a\"]", R"({"type":null})", R"([{"role":"user","content":[{}]}])",
      R"([{"role":"assistant","tool_calls":[null]}])", R"([{"type":"function","function":{}}])");
  Json body = valid();
  body[field] = Json::parse(text);
  const auto request = parse_chat_request(body, model, {});
  RC_ASSERT(request || !request.error().message.empty());
}

}  // namespace
}  // namespace troupe::actors::edge::openai
