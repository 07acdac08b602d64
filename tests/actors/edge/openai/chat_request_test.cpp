#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "actors/edge/openai/endpoints.hpp"
#include "actors/edge/reply.hpp"

namespace troupe::actors::edge::openai {
namespace {

const ModelInfo model{{"demo", "alias"}, "demo", 2048, 0, "fp"};

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
       {R"({"temperature": 0})", R"({"temperature": 2})", R"({"top_p": 1})", R"({"top_p": 0.0001})",
        R"({"min_p": 1})", R"({"top_k": 0})", R"({"n": 128})", R"({"max_tokens": 1})",
        R"({"max_tokens": 2147483647})", R"({"seed": 18446744073709551615})",
        R"({"seed": -9223372036854775808})", R"({"logprobs": true, "top_logprobs": 20})",
        R"({"logprobs": false, "top_logprobs": 0})", R"({"n": 2, "best_of": 2})"})
    EXPECT_EQ(verdict(fine), "ok") << fine;
  EXPECT_EQ(parse(R"({"top_k": -1})")->generation.top_k, 0);
  EXPECT_EQ(parse(R"({"logprobs": true})")->generation.logprobs, 0);
}

TEST(ChatRequest, RefusesWhatIsOutOfRange) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"temperature": -0.1})", "400 temperature decimal_below_min_value"},
      {R"({"temperature": 2.1})", "400 temperature decimal_above_max_value"},
      {R"({"temperature": 1e300})", "400 temperature decimal_above_max_value"},
      {R"({"top_p": 0})", "400 top_p decimal_below_min_value"},
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
      {R"({"n": 1.0})", "n"},
      {R"({"n": "1"})", "n"},
      {R"({"max_tokens": "5"})", "max_tokens"},
      {R"({"max_tokens": 1e3})", "max_tokens"},
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
  };
  for (const auto& [changes, expected] : wrong) EXPECT_EQ(verdict(changes), expected) << changes;
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
  EXPECT_EQ(verdict(R"({"tool_choice": "required"})"), "400 tool_choice invalid_value");
  EXPECT_EQ(verdict((tools + R"("tool_choice": {"function": {"name": "g"}}})").c_str()),
            "400 tool_choice.function.name invalid_value");
  EXPECT_EQ(verdict((tools + R"("functions": [{"name": "g"}]})").c_str()), "400 functions invalid_value");
}

TEST(ChatRequest, ReadsHowMuchToThink) {
  EXPECT_EQ(prompt_of(R"({"thinking": {"type": "enabled"}})").thinking, true);
  EXPECT_EQ(prompt_of(R"({"thinking": {"type": "disabled"}})").thinking, false);
  EXPECT_EQ(prompt_of(R"({"enable_thinking": true})").thinking, true);
  EXPECT_EQ(prompt_of(R"({"reasoning_effort": "none"})").thinking, false);
  EXPECT_EQ(prompt_of(R"({"reasoning_effort": "high"})").reasoning_effort, "high");
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
      "structured_outputs", "guided_choice", "bad_words", "thinking", "function_call", "prompt_logprobs");
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
