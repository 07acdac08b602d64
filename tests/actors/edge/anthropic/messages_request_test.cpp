#include "actors/edge/anthropic/messages_request.hpp"

#include <gtest/gtest.h>

#include "actors/edge/reply.hpp"
#include "tests/actors/edge/mutations.hpp"

namespace troupe::actors::edge::anthropic {
namespace {

const ModelInfo model{{"demo"}, "demo", 2048, 0, "fp", "", 0, true, true};

Json valid() {
  return Json::parse(
      R"({"model": "demo", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]})");
}

// With every field that is read.
Json full() {
  return Json::parse(R"({
    "model": "demo", "max_tokens": 9, "stream": true, "temperature": 0.5, "top_p": 0.5, "top_k": 3,
    "stop_sequences": ["a", "b"], "metadata": {"user_id": "u"}, "service_tier": "auto",
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "system": [{"type": "text", "text": "one", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "two"}],
    "tools": [{"name": "f", "description": "d", "strict": true, "input_schema": {"type": "object", "properties": {"x": {"type": "integer"}}}}],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": false},
    "messages": [
      {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
      {"role": "assistant", "content": [
        {"type": "thinking", "thinking": "t", "signature": "s"}, {"type": "redacted_thinking", "data": "x"},
        {"type": "text", "text": "c"}, {"type": "tool_use", "id": "i1", "name": "f", "input": {"x": 1, "y": [2]}},
        {"type": "tool_use", "id": "i2", "name": "f", "input": {}}]},
      {"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": "i1", "content": "r1"},
        {"type": "tool_result", "tool_use_id": "i2", "is_error": true,
         "content": [{"type": "text", "text": "r2"}, {"type": "text", "text": "r3"}]},
        {"type": "text", "text": "d"}]}]})");
}

Expected<ApiRequest> parse(const char* changes, const config::RequestLimits& limits = {}) {
  Json body = valid();
  body.update(Json::parse(changes));
  return parse_messages_request(body, model, limits);
}

// "status param code", or "ok".
std::string verdict(const char* changes, const config::RequestLimits& limits = {}) {
  const auto request = parse(changes, limits);
  if (request) return "ok";
  const Refusal& refusal = request.error();
  return std::to_string(http_status(refusal.kind)) + " " + refusal.param + " " + refusal.code;
}

std::string verdict_on_messages(const std::string& messages) {
  return verdict((R"({"messages": )" + messages + "}").c_str());
}

runtime::ChatPrompt prompt_of(const Expected<ApiRequest>& request) {
  EXPECT_TRUE(request) << (request ? "" : request.error().message);
  return request ? std::get<runtime::ChatPrompt>(request->generation.prompts.at(0)) : runtime::ChatPrompt();
}
std::string messages_of(const char* changes) {
  return prompt_of(parse(changes)).messages.dump();
}

TEST(MessagesRequest, LeavesOutWhatTheClientLeftOut) {
  const auto request = parse("{}");
  ASSERT_TRUE(request);
  const runtime::GenerationRequest& g = request->generation;
  EXPECT_FALSE(g.temperature || g.top_p || g.min_p || g.top_k || g.seed);
  EXPECT_EQ(g.max_tokens, 9);
  EXPECT_TRUE(g.stop.empty());
  EXPECT_FALSE(request->stream);
  EXPECT_EQ(request->id_prefix, "msg_");
  const auto prompt = prompt_of(request);
  EXPECT_EQ(prompt.messages.dump(), R"([{"role":"user","content":"hi"}])");
  EXPECT_TRUE(prompt.tools.is_null());
  EXPECT_EQ(prompt.template_kwargs.dump(), "{}");
  EXPECT_TRUE(prompt.add_generation_prompt && !prompt.continue_final_message);
}

TEST(MessagesRequest, ReadsEveryField) {
  const auto request = parse_messages_request(full(), model, {});
  ASSERT_TRUE(request) << request.error().message;
  const runtime::GenerationRequest& g = request->generation;
  EXPECT_EQ(g.max_tokens, 9);
  EXPECT_EQ(g.temperature, 0.5f);
  EXPECT_EQ(g.top_p, 0.5f);
  EXPECT_EQ(g.top_k, 3);
  EXPECT_EQ(g.stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(request->stream);
  const auto prompt = prompt_of(request);
  EXPECT_EQ(prompt.thinking, true);
  EXPECT_EQ(g.thinking_token_budget, 1024);
  EXPECT_EQ(
      prompt.tools.dump(),
      R"([{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{"x":{"type":"integer"}}},"strict":true}}])");
  EXPECT_EQ(prompt.messages.dump(),
            R"([{"role":"system","content":"one\ntwo"},{"role":"user","content":"a\nb"},)"
            R"({"role":"assistant","content":"c","reasoning_content":"t","tool_calls":[)"
            R"({"id":"i1","type":"function","function":{"name":"f","arguments":"{\"x\": 1, \"y\": [2]}"}},)"
            R"({"id":"i2","type":"function","function":{"name":"f","arguments":"{}"}}]},)"
            R"({"role":"tool","content":"r1","tool_call_id":"i1"},)"
            R"({"role":"tool","content":"r2\nr3","tool_call_id":"i2","is_error":true},)"
            R"({"role":"user","content":"d"}])");
}

TEST(MessagesRequest, BringsMessagesIntoTheFormOfTemplates) {
  EXPECT_EQ(messages_of(R"({"system": "be brief"})"),
            R"([{"role":"system","content":"be brief"},{"role":"user","content":"hi"}])");
  EXPECT_EQ(messages_of(R"({"system": ""})"), R"([{"role":"user","content":"hi"}])");
  EXPECT_EQ(messages_of(R"({"messages": [{"role": "user", "content": [
                             {"type": "text", "text": "look:"}, {"type": "tool_result", "tool_use_id": "i"}]}]})"),
            R"([{"role":"user","content":"look:"},{"role":"tool","content":"","tool_call_id":"i"}])");
  EXPECT_EQ(
      messages_of(R"({"messages": [{"role": "assistant", "content": [
                             {"type": "tool_use", "id": "i", "name": "f", "input": {}}]},
                           {"role": "user", "content": "x"}, {"role": "system", "content": "y"}]})"),
      R"([{"role":"assistant","content":null,"tool_calls":[{"id":"i","type":"function",)"
      R"("function":{"name":"f","arguments":"{}"}}]},{"role":"user","content":"x"},{"role":"system","content":"y"}])");
}

TEST(MessagesRequest, ALastMessageOfTheAssistantsIsGoneOnWith) {
  const auto prompt = prompt_of(
      parse(R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "So"}]})"));
  EXPECT_TRUE(prompt.continue_final_message);
  EXPECT_FALSE(prompt.add_generation_prompt);
  EXPECT_EQ(
      verdict_on_messages(
          R"([{"role": "assistant", "content": [{"type": "tool_use", "id": "i", "name": "f", "input": {}}]}])"),
      "400 messages invalid_value");
}

TEST(MessagesRequest, TooManyUsesOfToolsAreNamedAsTheyCame) {
  config::RequestLimits limits;
  limits.tool_calls = 1;
  const std::string use = R"({"type": "tool_use", "id": "i", "name": "f", "input": {}})";
  EXPECT_EQ(
      verdict(
          (R"({"system": "s", "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": [)" +
           use + ", " + use + R"(]}, {"role": "user", "content": "b"}]})")
              .c_str(),
          limits),
      "400 messages[1].content[1].type array_above_max_length");
}

TEST(MessagesRequest, ATopPOfNothingLeavesTheMostLikelyToken) {
  EXPECT_GT(parse(R"({"top_p": 0})")->generation.top_p.value(), 0);
}

TEST(MessagesRequest, ThoughtsThatWereOmittedAreNoneInHistory) {
  EXPECT_EQ(
      messages_of(R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "", "signature": ""}, {"type": "text", "text": "b"}]},
                {"role": "user", "content": "c"}]})"),
      R"([{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"}])");
}

TEST(MessagesRequest, ThinkingHasABudgetAndAnEffort) {
  EXPECT_FALSE(prompt_of(parse("{}")).thinking);
  EXPECT_EQ(prompt_of(parse(R"({"thinking": {"type": "disabled"}})")).thinking, false);
  EXPECT_EQ(prompt_of(parse(R"({"thinking": {"type": "adaptive"}})")).thinking, true);
  EXPECT_EQ(prompt_of(parse(R"({"output_config": {"effort": "high"}})")).reasoning_effort, "high");
  EXPECT_EQ(prompt_of(parse(R"({"output_config": {"effort": "max"}})")).reasoning_effort, "max");
  for (const char* wrong :
       {R"({"output_config": {"effort": "banana"}})", R"({"output_config": {"effort": "none"}})"})
    EXPECT_EQ(verdict(wrong), "400 output_config.effort invalid_value") << wrong;
  EXPECT_EQ(verdict(R"({"thinking": {"type": "adaptive", "display": "summarized"}})"), "ok");
  EXPECT_EQ(verdict(R"({"thinking": {"type": "adaptive", "display": "loud"}})"),
            "400 thinking.display invalid_value");
  EXPECT_EQ(verdict(R"({"thinking": {"type": "adaptive", "display": 1}})"),
            "400 thinking.display invalid_type");
  EXPECT_EQ(verdict(R"({"thinking": {"type": "enabled"}})"),
            "400 thinking.budget_tokens missing_required_parameter");
  EXPECT_EQ(verdict(R"({"thinking": {"type": "hard"}})"), "400 thinking.type invalid_value");
}

TEST(MessagesRequest, AModelThatDoesNotThinkSaysSo) {
  const auto thoughtless = [](const char* thinking) {
    Json body = valid();
    body["thinking"] = Json::parse(thinking);
    return parse_messages_request(body, {{"demo"}, "demo", 2048, 0, "fp"}, {});
  };
  EXPECT_EQ(thoughtless(R"({"type": "enabled", "budget_tokens": 1024})").error().param, "thinking.type");
  EXPECT_FALSE(prompt_of(thoughtless(R"({"type": "adaptive"})")).thinking);  // as it likes
  EXPECT_EQ(prompt_of(thoughtless(R"({"type": "disabled"})")).thinking, false);
}

TEST(MessagesRequest, AnAnswerMayHaveASchema) {
  const auto grammar =
      parse(R"({"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}})")
          ->generation.grammar;
  ASSERT_TRUE(grammar);
  EXPECT_EQ(grammar->kind, GrammarSpec::Kind::json_schema);
  EXPECT_EQ(grammar->text, R"({"type":"object"})");
  const auto older = parse(R"({"output_format": {"type": "json_schema", "schema": {"type": "object"}}})");
  ASSERT_TRUE(older && older->generation.grammar);
  EXPECT_EQ(older->generation.grammar, grammar);
  EXPECT_EQ(in_own_names(older->own_names, {RefusalKind::invalid, "", "response_format", ""}).param,
            "output_format");
  EXPECT_EQ(verdict(R"({"output_format": {"type": "xml"}})"), "400 output_format.type invalid_value");
  EXPECT_EQ(verdict(R"({"output_format": "json"})"), "400 output_format invalid_type");
  EXPECT_EQ(verdict(R"({"output_format": {"type": "json_schema", "schema": {}},
                        "output_config": {"format": {"type": "json_schema", "schema": {}}}})"),
            "400 output_format invalid_value");
  EXPECT_EQ(
      verdict(R"({"output_format": {"type": "json_schema", "schema": {}}, "tool_choice": {"type": "any"},
                        "tools": [{"name": "f", "input_schema": {}}]})"),
      "400 output_format invalid_value");
  EXPECT_EQ(verdict(R"({"output_config": {"format": {"type": "xml", "schema": {}}}})"),
            "400 output_config.format.type invalid_value");
  EXPECT_EQ(verdict(R"({"output_config": {"format": {"type": "json_schema"}}})"),
            "400 output_config.format.schema missing_required_parameter");
}

TEST(MessagesRequest, ToolsMayBeStrict) {
  const auto tools = [](const char* strict) {
    return std::string(R"({"tools": [{"name": "f", "input_schema": {})") + strict + "}]}";
  };
  EXPECT_EQ(prompt_of(parse(tools(R"(, "strict": true)").c_str())).tools[0]["function"]["strict"], true);
  EXPECT_FALSE(prompt_of(parse(tools("").c_str())).tools[0]["function"].contains("strict"));
  EXPECT_EQ(verdict(tools(R"(, "strict": 1)").c_str()), "400 tools[0].strict invalid_type");
}

TEST(MessagesRequest, ToolsMayBeForcedOrSwitchedOff) {
  using Choice = runtime::ChatPrompt::ToolChoice;
  const std::string tools = R"({"tools": [{"name": "f", "input_schema": {}}], "tool_choice": )";
  const auto prompt = [&](const std::string& choice) {
    return prompt_of(parse((tools + choice + "}").c_str()));
  };
  EXPECT_EQ(prompt(R"({"type": "auto"})").tool_choice, Choice::any_or_none);
  EXPECT_TRUE(prompt(R"({"type": "auto"})").parallel_tool_calls);
  EXPECT_FALSE(prompt(R"({"type": "auto", "disable_parallel_tool_use": true})").parallel_tool_calls);
  EXPECT_FALSE(prompt(R"({"type": "none"})").parse_tool_calls);
  EXPECT_EQ(prompt(R"({"type": "any"})").tool_choice, Choice::required);
  EXPECT_EQ(prompt(R"({"type": "tool", "name": "f"})").tool_choice, Choice::named);
  EXPECT_EQ(prompt(R"({"type": "tool", "name": "f"})").tool_name, "f");
  EXPECT_EQ(prompt(R"({"type": "auto"})").tools.dump(),
            R"([{"type":"function","function":{"name":"f","parameters":{},"description":""}}])");
  EXPECT_EQ(verdict((tools + R"({"type": "tool", "name": "g"}})").c_str()),
            "400 tool_choice.name invalid_value");
  EXPECT_EQ(verdict((tools + R"({"type": "tool"}})").c_str()),
            "400 tool_choice.name missing_required_parameter");
  EXPECT_EQ(verdict((tools + R"({"type": "most"}})").c_str()), "400 tool_choice.type invalid_value");
  EXPECT_EQ(verdict(R"({"tool_choice": {"type": "any"}})"), "400 tool_choice.type invalid_value");
}

TEST(MessagesRequest, RefusesWhatIsMissing) {
  EXPECT_EQ(verdict(R"({"model": null})"), "400 model missing_required_parameter");
  EXPECT_EQ(verdict(R"({"model": "claude"})"), "404 model model_not_found");
  EXPECT_EQ(verdict(R"({"max_tokens": null})"), "400 max_tokens missing_required_parameter");
  EXPECT_EQ(verdict_on_messages("null"), "400 messages missing_required_parameter");
  const std::pair<const char*, const char*> cases[] = {
      {"[]", "400 messages empty_array"},
      {R"([{"content": "x"}])", "400 messages[0].role missing_required_parameter"},
      {R"([{"role": "user"}])", "400 messages[0].content missing_required_parameter"},
      {R"([{"role": "user", "content": []}])", "400 messages[0].content empty_array"},
      {R"([{"role": "user", "content": [{}]}])",
       "400 messages[0].content[0].type missing_required_parameter"},
      {R"([{"role": "user", "content": [{"type": "text"}]}])",
       "400 messages[0].content[0].text missing_required_parameter"},
      {R"([{"role": "user", "content": [{"type": "tool_result"}]}])",
       "400 messages[0].content[0].tool_use_id missing_required_parameter"},
      {R"([{"role": "assistant", "content": [{"type": "tool_use", "id": "i", "input": {}}]}])",
       "400 messages[0].content[0].name missing_required_parameter"},
      {R"([{"role": "assistant", "content": [{"type": "tool_use", "id": "i", "name": "f"}]}])",
       "400 messages[0].content[0].input missing_required_parameter"},
  };
  for (const auto& [messages, expected] : cases)
    EXPECT_EQ(verdict_on_messages(messages), expected) << messages;
  EXPECT_EQ(verdict(R"({"tools": [{"name": "f"}]})"), "400 tools[0].input_schema missing_required_parameter");
  EXPECT_EQ(verdict(R"({"tools": [{"name": "", "input_schema": {}}]})"),
            "400 tools[0].name missing_required_parameter");
}

TEST(MessagesRequest, RefusesByNameWhatItCannotHonour) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"container": "c"})", "400 container unsupported_parameter"},
      {R"({"mcp_servers": [{}]})", "400 mcp_servers unsupported_parameter"},
      {R"({"tools": [{"type": "web_search_20250305", "name": "web_search"}]})",
       "400 tools[0].type unsupported_parameter"},
  };
  for (const auto& [changes, expected] : cases) EXPECT_EQ(verdict(changes), expected) << changes;
  EXPECT_EQ(verdict(R"({"stop_sequences": "x"})"), "400 stop_sequences invalid_type");
  EXPECT_EQ(verdict(R"({"service_tier": 1})"), "400 service_tier invalid_type");
  EXPECT_EQ(verdict(R"({"metadata": {"user_id": 1}})"), "400 metadata.user_id invalid_type");
  const auto refused =
      parse(R"({"messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]})");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message,
            "Content blocks of type 'image' are not supported: the model reads text only.");
  EXPECT_EQ(verdict_on_messages(R"([{"role": "user", "content": [{"type": "my secret"}]}])"),
            "400 messages[0].content[0].type unsupported_content_block");
  EXPECT_EQ(verdict_on_messages(R"([{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "i",
                                     "content": [{"type": "image"}]}]}])"),
            "400 messages[0].content[0].content[0].type unsupported_content_block");
}

TEST(MessagesRequest, RefusesWhatIsOutOfRange) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"max_tokens": 0})", "400 max_tokens integer_below_min_value"},
      {R"({"max_tokens": 2147483648})", "400 max_tokens integer_above_max_value"},
      {R"({"temperature": 100.5})", "400 temperature decimal_above_max_value"},
      {R"({"temperature": -0.1})", "400 temperature decimal_below_min_value"},
      {R"({"top_p": -0.1})", "400 top_p decimal_below_min_value"},
      {R"({"top_k": -1})", "400 top_k integer_below_min_value"},
      {R"({"stop_sequences": [""]})", "400 stop_sequences invalid_value"},
      {R"({"stop_sequences": [1]})", "400 stop_sequences invalid_type"},
  };
  for (const auto& [changes, expected] : cases) EXPECT_EQ(verdict(changes), expected) << changes;
}

TEST(MessagesRequest, EachLimitHolds) {
  config::RequestLimits limits;
  limits.messages = limits.content_parts = limits.tools = limits.stop_strings = 1;
  limits.name_bytes = 5;
  EXPECT_EQ(verdict("{}", limits), "ok");
  const std::pair<const char*, const char*> cases[] = {
      {R"({"messages": [{}, {}]})", "400 messages array_above_max_length"},
      {R"({"messages": [{"role": "user", "content": [{}, {}]}]})",
       "400 messages[0].content array_above_max_length"},
      {R"({"system": [{}, {}]})", "400 system array_above_max_length"},
      {R"({"tools": [{}, {}]})", "400 tools array_above_max_length"},
      {R"({"tools": [{"name": "abcdef", "input_schema": {}}]})", "400 tools[0].name string_above_max_length"},
      {R"({"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "abcdef", "name": "f", "input": {}}]}]})",
       "400 messages[0].content[0].id string_above_max_length"},
      {R"({"stop_sequences": ["a", "b"]})", "400 stop_sequences array_above_max_length"},
  };
  for (const auto& [changes, expected] : cases) EXPECT_EQ(verdict(changes, limits), expected) << changes;
}

TEST(MessagesRequest, CountingTokensNeedsThePromptAlone) {
  Json body = full();
  body.erase("max_tokens");
  const auto prompt = parse_prompt(body, model, {});
  ASSERT_TRUE(prompt) << prompt.error().message;
  EXPECT_EQ(std::get<runtime::ChatPrompt>(prompt->prompts.at(0)).messages.dump(),
            prompt_of(parse_messages_request(full(), model, {})).messages.dump());
}

TEST(MessagesRequest, AnyValueOfAnotherKindIsReadOrRefused) {
  std::size_t refused = 0;
  for (const Json& body : mutations(full())) {
    const auto request = parse_messages_request(body, model, {});
    if (request) continue;
    ++refused;
    const int status = http_status(request.error().kind);
    EXPECT_TRUE(status == 400 || (status == 404 && request.error().param == "model")) << body.dump();
    EXPECT_FALSE(request.error().param.empty()) << body.dump();
  }
  EXPECT_GT(refused, 300u);
}

}  // namespace
}  // namespace troupe::actors::edge::anthropic
