#include <gtest/gtest.h>

#include "actors/edge/openai/endpoints.hpp"
#include "actors/edge/reply.hpp"

namespace troupe::actors::edge::openai {
namespace {

const ModelInfo model{{"demo"}, "demo", 2048, 0, "fp", "", 0, true, true};

Expected<ApiRequest> parse(const char* changes, const config::RequestLimits& limits = {}) {
  Json body = {{"model", "demo"}, {"input", "hi"}};
  body.update(Json::parse(changes));
  return parse_response_request(body, model, limits);
}

// "status param code", or "ok".
std::string verdict(const char* changes, const config::RequestLimits& limits = {}) {
  const auto request = parse(changes, limits);
  if (request) return "ok";
  const Refusal& refusal = request.error();
  return std::to_string(http_status(refusal.kind)) + " " + refusal.param + " " + refusal.code;
}

runtime::ChatPrompt prompt_of(const char* changes) {
  const auto request = parse(changes);
  EXPECT_TRUE(request) << (request ? "" : request.error().message);
  return request ? std::get<runtime::ChatPrompt>(request->generation.prompts.at(0)) : runtime::ChatPrompt();
}
std::string messages_of(const char* changes) {
  return prompt_of(changes).messages.dump();
}

TEST(ResponseRequest, ATextIsAMessageOfTheUser) {
  EXPECT_EQ(messages_of("{}"), R"([{"role":"user","content":"hi"}])");
  EXPECT_EQ(messages_of(R"({"instructions": "be brief"})"),
            R"([{"role":"system","content":"be brief"},{"role":"user","content":"hi"}])");
}

TEST(ResponseRequest, ItemsAreMessages) {
  EXPECT_EQ(
      messages_of(R"({"input": [{"role": "developer", "content": "d"},
      {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]},
      {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed",
       "content": [{"type": "output_text", "text": "c", "annotations": []}]},
      {"role": "user", "content": "e"}]})"),
      R"([{"role":"system","content":"d"},{"role":"user","content":"a\nb"},{"role":"assistant","content":"c"},)"
      R"({"role":"user","content":"e"}])");
}

// What the assistant thought, said and called before it was answered is one message.
TEST(ResponseRequest, ATurnOfTheAssistantIsOneMessage) {
  EXPECT_EQ(
      messages_of(R"({"input": [{"role": "user", "content": "u"},
      {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
      {"role": "assistant", "content": "so"},
      {"type": "function_call", "id": "fc_1", "call_id": "call_a", "name": "f", "arguments": "{}"},
      {"type": "function_call", "call_id": "call_b", "name": "g", "arguments": "{}"},
      {"type": "function_call_output", "call_id": "call_a", "output": "1"},
      {"type": "function_call_output", "call_id": "call_b", "output": [{"type": "input_text", "text": "2"}]},
      {"type": "reasoning", "summary": [{"type": "summary_text", "text": "ah"}]},
      {"role": "assistant", "content": "three"}]})"),
      R"([{"role":"user","content":"u"},{"role":"assistant","content":"so","reasoning_content":"hm","tool_calls":[)"
      R"({"id":"call_a","type":"function","function":{"name":"f","arguments":"{}"}},)"
      R"({"id":"call_b","type":"function","function":{"name":"g","arguments":"{}"}}]},)"
      R"({"role":"tool","content":"1","tool_call_id":"call_a"},{"role":"tool","content":"2","tool_call_id":"call_b"},)"
      R"({"role":"assistant","content":"three","reasoning_content":"ah"}])");
}

TEST(ResponseRequest, SecondMessagesAndLaterThoughtsBeginTurnsOfTheirOwn) {
  EXPECT_EQ(
      messages_of(R"({"input": [{"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"},
      {"type": "reasoning", "summary": [{"type": "summary_text", "text": "r"}]}, {"type": "reasoning", "summary": []}]})"),
      R"([{"role":"assistant","content":"a"},{"role":"assistant","content":"b"},)"
      R"({"role":"assistant","content":"","reasoning_content":"r"}])");
}

TEST(ResponseRequest, ReadsEachField) {
  const auto request = parse(R"({"stream": true, "max_output_tokens": 7, "temperature": 0.5, "top_p": 0.25,
      "parallel_tool_calls": false, "tool_choice": "auto", "reasoning": {"effort": "low", "summary": "auto"},
      "tools": [{"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": null}],
      "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": true}},
      "include": ["reasoning.encrypted_content", "message.output_text.logprobs"], "top_logprobs": 3, "truncation": "auto",
      "store": true, "metadata": {"a": "b"}, "user": "u", "previous_response_id": null, "background": false, "seed": 4,
      "n": 1, "service_tier": "auto", "prompt_cache_key": "k", "safety_identifier": "s", "max_tool_calls": 3})");
  ASSERT_TRUE(request) << request.error().message;
  const runtime::GenerationRequest& g = request->generation;
  EXPECT_TRUE(request->stream);
  EXPECT_EQ(request->id_prefix, "resp_");
  EXPECT_EQ(g.max_tokens, 7);
  EXPECT_EQ(g.temperature, 0.5f);
  EXPECT_EQ(g.top_p, 0.25f);
  EXPECT_EQ(g.seed, 4u);
  EXPECT_EQ(g.n, 1);
  EXPECT_EQ(g.logprobs, 3);
  EXPECT_EQ(g.truncate_prompt_tokens, -1);
  ASSERT_TRUE(g.grammar);
  EXPECT_EQ(g.grammar->text, R"({"type":"object"})");
  const auto& prompt = std::get<runtime::ChatPrompt>(g.prompts[0]);
  EXPECT_EQ(
      prompt.tools.dump(),
      R"([{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"}}}])");
  EXPECT_FALSE(prompt.parallel_tool_calls);
  EXPECT_EQ(prompt.reasoning_effort, "low");
}

TEST(ResponseRequest, TheModelIsToldOfTheAllowedToolsAlone) {
  const auto with = [](const std::string& allowed) {
    return R"({"tools": [{"type": "function", "name": "f"}, {"type": "function", "name": "g"}],
        "tool_choice": {"type": "allowed_tools", )" +
           allowed + "}}";
  };
  const std::string g = R"("tools": [{"type": "function", "name": "g"}])";
  const auto prompt = prompt_of(with(R"("mode": "required", )" + g).c_str());
  ASSERT_EQ(prompt.tools.size(), 1u);
  EXPECT_EQ(prompt.tools[0]["function"]["name"], "g");
  EXPECT_EQ(prompt.tool_choice, runtime::ChatPrompt::ToolChoice::required);
  const std::string asked = with(R"("mode": "auto", )" + g);
  const Json said = parse(asked.c_str())->answer({})->whole({});
  EXPECT_EQ(said["tools"].size(), 2u);
  EXPECT_EQ(said["tool_choice"], Json::parse(asked)["tool_choice"]);
  const std::pair<const char*, const char*> wrong[] = {
      {R"("tools": [])", "400 tool_choice.mode missing_required_parameter"},
      {R"("mode": "some", "tools": [])", "400 tool_choice.mode invalid_value"},
      {R"("mode": "auto")", "400 tool_choice.tools invalid_value"},
      {R"("mode": "auto", "tools": [{"type": "function", "name": "h"}])",
       "400 tool_choice.tools invalid_value"},
      {R"("mode": "auto", "tools": [{"type": "mcp", "server_label": "s"}])",
       "400 tool_choice.tools[0].type unsupported_parameter"},
      {R"("mode": "auto", "tools": [{"type": "function"}])",
       "400 tool_choice.tools[0].name missing_required_parameter"},
  };
  for (const auto& [allowed, expected] : wrong)
    EXPECT_EQ(verdict(with(allowed).c_str()), expected) << allowed;
}

TEST(ResponseRequest, TooManyCallsOfATurnAreNamedAsTheyCame) {
  config::RequestLimits limits;
  limits.tool_calls = 1;
  const Json call = {{"type", "function_call"}, {"call_id", "c"}, {"name", "f"}, {"arguments", "{}"}},
             body = {{"model", "demo"}, {"instructions", "i"}, {"input", {call, call}}};
  EXPECT_TRUE(parse_response_request(body, model, {}));
  const auto request = parse_response_request(body, model, limits);
  ASSERT_FALSE(request);
  EXPECT_EQ(request.error().param, "input[1].type");
  EXPECT_EQ(request.error().code, "array_above_max_length");
}

TEST(ResponseRequest, ReadsHowMuchToWrite) {
  EXPECT_EQ(prompt_of("{}").verbosity, "");
  EXPECT_EQ(prompt_of(R"({"text": {"verbosity": "low"}})").verbosity, "low");
}

TEST(ResponseRequest, TheResponseRepeatsWhatWasAsked) {
  const auto whole = [](const char* changes) {
    return parse(changes)->answer({"resp_1", "demo", "fp", 17})->whole({});
  };
  EXPECT_EQ(
      whole("{}").dump(),
      R"({"id":"resp_1","object":"response","created_at":17,"status":"completed","error":null,"incomplete_details":null,)"
      R"("model":"demo","output":[],"instructions":null,"max_output_tokens":null,"metadata":{},"parallel_tool_calls":true,)"
      R"("previous_response_id":null,"reasoning":{"effort":null,"summary":null},"background":false,"store":false,)"
      R"("temperature":null,"text":{"format":{"type":"text"}},"tool_choice":"auto","tools":[],"top_p":null,)"
      R"("truncation":"disabled","user":null,"usage":{"input_tokens":0,"input_tokens_details":{"cached_tokens":0,)"
      R"("cache_write_tokens":0},"output_tokens":0,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":0}})");
  const Json said =
      whole(R"({"instructions": "i", "max_output_tokens": 5, "metadata": {"a": "b"}, "temperature": 0.5,
      "tools": [{"type": "function", "name": "f"}], "tool_choice": {"type": "function", "name": "f"},
      "text": {"format": {"type": "text"}, "verbosity": "low"}})");
  EXPECT_EQ(said["instructions"], "i");
  EXPECT_EQ(said["tools"].dump(), R"([{"type":"function","name":"f"}])");
  EXPECT_EQ(said["tool_choice"].dump(), R"({"type":"function","name":"f"})");
  EXPECT_EQ(said["text"].dump(), R"({"format":{"type":"text"},"verbosity":"low"})");
}

TEST(ResponseRequest, LaterFaultsHaveItsNames) {
  const auto told = [](const char* changes, const char* param, const char* message) {
    const Refusal own = in_own_names(parse(changes)->own_names, {RefusalKind::invalid, message, param, ""});
    return own.param + ": " + own.message;
  };
  EXPECT_EQ(told(R"({"max_output_tokens": 9})", "max_tokens", "max_tokens asks for 9"),
            "max_output_tokens: max_output_tokens asks for 9");
  EXPECT_EQ(told("{}", "messages", "the messages"), "input: the messages");
  EXPECT_EQ(told(R"({"text": {"format": {"type": "json_object"}}})", "response_format", ""), "text.format: ");
  EXPECT_EQ(told(R"({"guided_regex": "a"})", "response_format", ""), "guided_regex: ");
  EXPECT_EQ(told(R"({"reasoning": {"effort": "none"}})", "thinking", ""), "reasoning.effort: ");
}

TEST(ResponseRequest, WhatItIncludesIsLimited) {
  config::RequestLimits limits;
  limits.content_parts = 1;
  const std::string one = R"("message.output_text.logprobs")";
  EXPECT_EQ(verdict(("{\"include\": [" + one + "]}").c_str(), limits), "ok");
  EXPECT_EQ(verdict(("{\"include\": [" + one + ", " + one + "]}").c_str(), limits),
            "400 include array_above_max_length");
}

TEST(ResponseRequest, RefusesByName) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"input": null})", "400 input missing_required_parameter"},
      {R"({"input": 5})", "400 input invalid_type"},
      {R"({"input": []})", "400 input empty_array"},
      {R"({"input": ["a"]})", "400 input[0] invalid_type"},
      {R"({"input": [{"content": "a"}]})", "400 input[0].role missing_required_parameter"},
      {R"({"input": [{"role": "user"}]})", "400 input[0].content missing_required_parameter"},
      {R"({"input": [{"role": "tool", "content": "a"}]})", "400 input[0].role invalid_value"},
      {R"({"input": [{"role": "user", "content": [{"type": "input_image"}]}]})",
       "400 input[0].content[0].type unsupported_content_part"},
      {R"({"input": [{"role": "user", "content": [{"type": "input_text"}]}]})",
       "400 input[0].content[0].text missing_required_parameter"},
      {R"({"input": [{"type": "item_reference", "id": "msg_1"}]})",
       "400 input[0].type unsupported_parameter"},
      {R"({"input": [{"type": "web_search_call"}]})", "400 input[0].type invalid_value"},
      {R"({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]})",
       "400 input[0].call_id missing_required_parameter"},
      {R"({"input": [{"type": "function_call_output", "call_id": "a"}]})",
       "400 input[0].output missing_required_parameter"},
      {R"({"previous_response_id": "resp_0"})", "400 previous_response_id unsupported_parameter"},
      {R"({"conversation": "conv_0"})", "400 conversation unsupported_parameter"},
      {R"({"background": true})", "400 background unsupported_parameter"},
      {R"({"prompt": {"id": "p"}})", "400 prompt unsupported_parameter"},
      {R"({"tools": [{"type": "web_search"}]})", "400 tools[0].type unsupported_parameter"},
      {R"({"tools": [{"type": "function"}]})", "400 tools[0].name missing_required_parameter"},
      {R"({"tools": [1]})", "400 tools[0] invalid_type"},
      {R"({"tool_choice": {"type": "function"}})", "400 tool_choice.name missing_required_parameter"},
      {R"({"tool_choice": {"type": "file_search"}})", "400 tool_choice.type unsupported_parameter"},
      {R"({"tools": [{"type": "function", "name": "f"}], "tool_choice": {"type": "function", "name": "g"}})",
       "400 tool_choice.name invalid_value"},
      {R"({"text": {"format": {"type": "json_schema"}}})",
       "400 text.format.schema missing_required_parameter"},
      {R"({"text": {"format": {"type": "xml"}}})", "400 text.format.type unsupported_parameter"},
      {R"({"text": {"verbosity": "loud"}})", "400 text.verbosity invalid_value"},
      {R"({"text": {"verbosity": 1}})", "400 text.verbosity invalid_type"},
      {R"({"reasoning": {"effort": "much"}})", "400 reasoning.effort invalid_value"},
      {R"({"reasoning": {"summary": "much"}})", "400 reasoning.summary invalid_value"},
      {R"({"max_output_tokens": 0})", "400 max_output_tokens integer_below_min_value"},
      {R"({"top_logprobs": 21})", "400 top_logprobs integer_above_max_value"},
      {R"({"include": [1]})", "400 include invalid_type"},
      {R"({"include": ["message.output_text.logprobs", "zz"]})", "400 include[1] invalid_value"},
      {R"({"store": "x"})", "400 store invalid_type"},
      {R"({"user": 1})", "400 user invalid_type"},
      {R"({"reasoning": {"effort": "low"}, "enable_thinking": false})", "400 reasoning.effort invalid_value"},
      {R"({"tools": [{"type": "function", "name": "f"}], "tool_choice": "required", "text": {"format": {"type": "json_object"}}})",
       "400 text.format invalid_value"},
      {R"({"truncation": "some"})", "400 truncation invalid_value"},
      {R"({"metadata": 1})", "400 metadata invalid_type"},
      {R"({"temperature": 101})", "400 temperature decimal_above_max_value"},
      {R"({"messages": [{"role": "user", "content": "a"}]})", "400 messages unsupported_parameter"},
      {R"({"max_tokens": 5})", "400 max_tokens unsupported_parameter"},
      {R"({"max_completion_tokens": 5})", "400 max_completion_tokens unsupported_parameter"},
      {R"({"response_format": {"type": "json_object"}})", "400 response_format unsupported_parameter"},
      {R"({"reasoning_effort": "low"})", "400 reasoning_effort unsupported_parameter"},
      {R"({"verbosity": "low"})", "400 verbosity unsupported_parameter"},
      {R"({"functions": [{"name": "f"}]})", "400 functions unsupported_parameter"},
      {R"({"function_call": "auto"})", "400 function_call unsupported_parameter"},
      {R"({"n": 2})", "400 n unsupported_parameter"},
      {R"({"n": "2"})", "400 n invalid_type"},
      {R"({"best_of": 2})", "400 best_of unsupported_parameter"},
      {R"({"logprobs": true})", "400 logprobs unsupported_parameter"},
      {R"({"include_reasoning": false})", "400 include_reasoning unsupported_parameter"},
      {R"({"return_token_ids": true})", "400 return_token_ids unsupported_parameter"},
      {R"({"return_tokens_as_token_ids": true})", "400 return_tokens_as_token_ids unsupported_parameter"},
      {R"({"prompt_logprobs": 1})", "400 prompt_logprobs unsupported_parameter"},
      {R"({"continue_final_message": true})", "400 continue_final_message unsupported_parameter"},
      {R"({"add_generation_prompt": false})", "400 add_generation_prompt unsupported_parameter"},
      {R"({"n": 1, "logprobs": false, "include_reasoning": true, "max_tokens": null, "messages": null})",
       "ok"},
      {R"({"model": null})", "400 model missing_required_parameter"},
      {R"({"model": "other"})", "404 model model_not_found"}};
  for (const auto& [changes, expected] : cases) EXPECT_EQ(verdict(changes), expected) << changes;
}

}  // namespace
}  // namespace troupe::actors::edge::openai
