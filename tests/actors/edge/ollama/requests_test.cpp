#include "actors/edge/ollama/requests.hpp"

#include <gtest/gtest.h>

#include "actors/edge/reply.hpp"
#include "tests/actors/edge/mutations.hpp"

namespace troupe::actors::edge::ollama {
namespace {

const ModelInfo model{{"demo"}, "demo", 2048, 0, "fp", "", 0, true, true};

using Parse = Expected<ApiRequest> (*)(const Json&, const ModelInfo&, const config::RequestLimits&);

Json full_chat() {
  return Json::parse(R"({
    "model": "demo:latest", "stream": false, "think": "low", "keep_alive": "5m", "format": {"type": "object"},
    "options": {"temperature": 0.5, "top_p": 0.5, "top_k": 3, "min_p": 0.25, "seed": 7, "num_predict": 9, "stop": ["a"],
                "repeat_penalty": 1.5, "presence_penalty": 0.5, "frequency_penalty": 0.25, "num_ctx": 4096, "mirostat": 0},
    "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}}}],
    "messages": [
      {"role": "system", "content": "s"}, {"role": "user", "content": "u", "images": []},
      {"role": "assistant", "content": "", "thinking": "t", "tool_calls": [
        {"function": {"name": "f", "arguments": {"x": 1, "y": [2]}}}, {"id": "i", "function": {"index": 1, "name": "f", "arguments": {}}}]},
      {"role": "tool", "content": "r", "tool_name": "f"}, {"role": "user", "content": "v"}]})");
}

Json full_generate() {
  return Json::parse(R"({
    "model": "demo", "prompt": "p", "system": "s", "suffix": "", "template": "", "context": [], "images": [], "raw": false,
    "stream": true, "think": false, "keep_alive": -1, "format": "json", "options": {"num_predict": -1, "seed": -1, "stop": "x"}})");
}

Expected<ApiRequest> chat(const char* changes, const config::RequestLimits& limits = {}) {
  Json body = Json::parse(R"({"model": "demo", "messages": [{"role": "user", "content": "hi"}]})");
  body.update(Json::parse(changes));
  return parse_chat_request(body, model, limits);
}
Expected<ApiRequest> generate(const char* changes, const config::RequestLimits& limits = {}) {
  Json body = Json::parse(R"({"model": "demo", "prompt": "hi"})");
  body.update(Json::parse(changes));
  return parse_generate_request(body, model, limits);
}

// "status param code", or "ok".
std::string verdict(const Expected<ApiRequest>& request) {
  if (request) return "ok";
  const Refusal& refusal = request.error();
  return std::to_string(http_status(refusal.kind)) + " " + refusal.param + " " + refusal.code;
}

runtime::ChatPrompt prompt_of(const Expected<ApiRequest>& request) {
  EXPECT_TRUE(request) << (request ? "" : request.error().message);
  return request ? std::get<runtime::ChatPrompt>(request->generation.prompts.at(0)) : runtime::ChatPrompt();
}

TEST(OllamaRequests, LeaveOutWhatTheClientLeftOut) {
  for (const auto& request : {chat("{}"), generate("{}")}) {
    ASSERT_TRUE(request) << request.error().message;
    const runtime::GenerationRequest& g = request->generation;
    EXPECT_FALSE(g.max_tokens || g.temperature || g.top_p || g.min_p || g.top_k || g.seed ||
                 g.repetition_penalty || g.grammar);
    EXPECT_TRUE(g.stop.empty() && g.presence_penalty == 0 && g.frequency_penalty == 0);
    EXPECT_TRUE(request->stream);
    const auto prompt = prompt_of(request);
    EXPECT_EQ(prompt.messages.dump(), R"([{"role":"user","content":"hi"}])");
    EXPECT_TRUE(prompt.tools.is_null() && !prompt.thinking && prompt.reasoning_effort.empty());
    EXPECT_EQ(prompt.template_kwargs.dump(), "{}");
  }
}

TEST(OllamaRequests, AChatsFieldsAreRead) {
  const auto request = parse_chat_request(full_chat(), model, {});
  ASSERT_TRUE(request) << request.error().message;
  const runtime::GenerationRequest& g = request->generation;
  EXPECT_EQ(g.temperature, 0.5f);
  EXPECT_EQ(g.top_p, 0.5f);
  EXPECT_EQ(g.top_k, 3);
  EXPECT_EQ(g.min_p, 0.25f);
  EXPECT_EQ(g.seed, 7u);
  EXPECT_EQ(g.max_tokens, 9);
  EXPECT_EQ(g.stop, std::vector<std::string>{"a"});
  EXPECT_EQ(g.repetition_penalty, 1.5f);
  EXPECT_EQ(g.presence_penalty, 0.5f);
  EXPECT_EQ(g.frequency_penalty, 0.25f);
  ASSERT_TRUE(g.grammar);
  EXPECT_EQ(g.grammar->kind, GrammarSpec::Kind::json_schema);
  EXPECT_EQ(g.grammar->text, R"({"type":"object"})");
  EXPECT_FALSE(request->stream);
  const auto prompt = prompt_of(request);
  EXPECT_EQ(prompt.thinking, true);
  EXPECT_EQ(prompt.reasoning_effort, "low");
  EXPECT_EQ(
      prompt.tools.dump(),
      R"([{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{}}}}])");
  EXPECT_EQ(prompt.messages.dump(),
            R"([{"role":"system","content":"s"},{"role":"user","content":"u"},)"
            R"({"role":"assistant","content":null,"reasoning_content":"t","tool_calls":[)"
            R"({"type":"function","function":{"name":"f","arguments":"{\"x\": 1, \"y\": [2]}"}},)"
            R"({"type":"function","function":{"name":"f","arguments":"{}"},"id":"i"}]},)"
            R"({"role":"tool","content":"r","name":"f"},{"role":"user","content":"v"}])");
}

TEST(OllamaRequests, APromptsFieldsAreRead) {
  const auto request = parse_generate_request(full_generate(), model, {});
  ASSERT_TRUE(request) << request.error().message;
  const runtime::GenerationRequest& g = request->generation;
  EXPECT_FALSE(g.max_tokens || g.seed);
  EXPECT_EQ(g.stop, std::vector<std::string>{"x"});
  ASSERT_TRUE(g.grammar);
  EXPECT_EQ(g.grammar->kind, GrammarSpec::Kind::json_object);
  const auto prompt = prompt_of(request);
  EXPECT_EQ(prompt.thinking, false);
  EXPECT_EQ(prompt.messages.dump(), R"([{"role":"system","content":"s"},{"role":"user","content":"p"}])");
}

TEST(OllamaRequests, NobodyAsksForMoreThanTheContextHolds) {
  const auto most = [](const char* num_predict) {
    return generate((R"({"options": {"num_predict": )" + std::string(num_predict) + "}}").c_str())
        ->generation.max_tokens;
  };
  EXPECT_EQ(most("9"), 9);
  EXPECT_EQ(most("1000000"), model.max_model_len);
  EXPECT_FALSE(most("-1"));
}

TEST(OllamaRequests, OfALongNameOfAModelTheBeginningIsTold) {
  EXPECT_EQ(generate((R"({"model": ")" + std::string(200, 'm') + "\"}").c_str()).error().message,
            "model '" + std::string(64, 'm') + "...' not found");
}

TEST(OllamaRequests, ARawPromptGoesAroundTheTemplate) {
  const auto request = generate(R"({"raw": true, "system": "", "think": false})");
  ASSERT_TRUE(request);
  EXPECT_EQ(std::get<std::string>(request->generation.prompts.at(0)), "hi");
  EXPECT_EQ(verdict(generate(R"({"raw": true, "system": "s"})")), "400 system unsupported_parameter");
  EXPECT_EQ(verdict(generate(R"({"raw": true, "think": true})")), "400 think unsupported_parameter");
}

TEST(OllamaRequests, ALastMessageOfTheAssistantsIsGoneOnWith) {
  const auto goes_on = [](const char* last) {
    const auto prompt = prompt_of(
        chat((R"({"messages": [{"role": "user", "content": "a"}, )" + std::string(last) + "]}").c_str()));
    EXPECT_EQ(prompt.add_generation_prompt, !prompt.continue_final_message);
    return prompt.continue_final_message;
  };
  EXPECT_TRUE(goes_on(R"({"role": "assistant", "content": "So"})"));
  EXPECT_FALSE(goes_on(R"({"role": "user", "content": "b"})"));
  EXPECT_FALSE(goes_on(
      R"({"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]})"));
}

TEST(OllamaRequests, WithoutAPromptNothingIsGenerated) {
  for (const auto& request : {chat(R"({"messages": []})"), chat(R"({"messages": null, "keep_alive": 0})"),
                              generate(R"({"prompt": ""})"), generate(R"({"prompt": null, "raw": true})")}) {
    ASSERT_TRUE(request) << request.error().message;
    EXPECT_TRUE(request->generation.prompts.empty());
  }
}

TEST(OllamaRequests, NoTimeToStayIsAWishToUnload) {
  const auto done_reason = [](const std::string& keep_alive) {
    const auto request = generate((R"({"prompt": "", "keep_alive": )" + keep_alive + "}").c_str());
    return request->answer({})->whole({})["done_reason"].get<std::string>();
  };
  for (const char* none : {"0", "0.0", R"("0")", R"("0s")", R"("0h0m")"})
    EXPECT_EQ(done_reason(none), "unload") << none;
  for (const char* some : {"null", "-1", "300", R"("5m")", R"("0h10m")", R"("-1")"})
    EXPECT_EQ(done_reason(some), "load") << some;
}

TEST(OllamaRequests, LogprobsAreReadWhereTheyAreWanted) {
  EXPECT_EQ(chat("{}")->generation.logprobs, -1);
  EXPECT_EQ(chat(R"({"logprobs": true})")->generation.logprobs, 0);
  EXPECT_EQ(generate(R"({"logprobs": true, "top_logprobs": 3})")->generation.logprobs, 3);
  EXPECT_EQ(chat(R"({"top_logprobs": 3})")->generation.logprobs, -1);
  EXPECT_EQ(verdict(chat(R"({"logprobs": 1})")), "400 logprobs invalid_type");
  EXPECT_EQ(verdict(chat(R"({"top_logprobs": 21})")), "400 top_logprobs integer_above_max_value");
}

TEST(OllamaRequests, PenaltiesLookAtAllTokensOrAtNone) {
  const auto with = [](const std::string& options) {
    return chat((R"({"options": {"repeat_last_n": )" + options + "}}").c_str());
  };
  for (const char* all : {R"(64, "repeat_penalty": 1.5)", R"(-1, "repeat_penalty": 1.5)"})
    EXPECT_EQ(with(all)->generation.repetition_penalty, 1.5f) << all;
  const auto none = with(R"(0, "repeat_penalty": 1.5, "presence_penalty": 1, "frequency_penalty": 1)");
  EXPECT_EQ(none->generation.repetition_penalty, 1);
  EXPECT_EQ(none->generation.presence_penalty, 0);
  EXPECT_EQ(none->generation.frequency_penalty, 0);
}

TEST(OllamaRequests, DurationsAreGos) {
  const auto with_zeros = [](std::size_t bytes) {
    return verdict(chat(Json{{"keep_alive", std::string(bytes - 2, '0') + "5m"}}.dump().c_str()));
  };
  EXPECT_EQ(with_zeros(64), "ok");
  EXPECT_NE(with_zeros(65), "ok");
  for (const char* time : {"5m", "0", "-1", "1h2.5s", "-.5ms", "+3.us", "24h"})
    EXPECT_EQ(verdict(chat((R"({"keep_alive": ")" + std::string(time) + "\"}").c_str())), "ok") << time;
  EXPECT_EQ(generate(R"({"keep_alive": "0s", "prompt": ""})")->answer({})->whole({})["done_reason"],
            "unload");
  EXPECT_EQ(generate(R"({"keep_alive": "10s", "prompt": ""})")->answer({})->whole({})["done_reason"], "load");
}

TEST(OllamaRequests, AModelThatDoesNotThinkSaysSo) {
  const auto thoughtless = [](bool think) {
    const Json body = {{"model", "demo"}, {"prompt", "hi"}, {"think", think}};
    return parse_generate_request(body, {{"demo"}, "demo", 2048, 0, "fp"}, {});
  };
  EXPECT_EQ(verdict(thoughtless(true)), "400 think unsupported_parameter");
  EXPECT_EQ(verdict(thoughtless(false)), "ok");
}

TEST(OllamaRequests, ModelsHaveTags) {
  EXPECT_EQ(verdict(chat(R"({"model": "demo:latest"})")), "ok");
  EXPECT_EQ(verdict(chat(R"({"model": "demo:7b"})")), "404 model model_not_found");
  EXPECT_EQ(chat(R"({"model": "llama3.2"})").error().message, "model 'llama3.2' not found");
  EXPECT_EQ(verdict(generate(R"({"model": ""})")), "400 model missing_required_parameter");
  EXPECT_EQ(verdict(generate(R"({"model": null})")), "400 model missing_required_parameter");
}

TEST(OllamaRequests, OptionsAtTheEdgesOfRanges) {
  const auto with = [](const std::string& option) {
    return chat((R"({"options": {)" + option + "}}").c_str());
  };
  EXPECT_FALSE(with(R"("num_predict": -2)")->generation.max_tokens);
  EXPECT_FALSE(with(R"("num_predict": 0)")->generation.max_tokens);
  EXPECT_EQ(with(R"("top_k": -1)")->generation.top_k, 0);
  EXPECT_GT(with(R"("top_p": 0)")->generation.top_p, 0);
  EXPECT_EQ(with(R"("seed": -9223372036854775808)")->generation.seed, std::uint64_t(1) << 63);
  EXPECT_EQ(verdict(with(R"("penalize_newline": true, "no_such_option": [])")), "ok");
  EXPECT_EQ(
      verdict(with(R"("mirostat": 0, "mirostat_tau": 5, "mirostat_eta": 0.1, "tfs_z": 1, "typical_p": 1)")),
      "ok");
  const std::pair<const char*, const char*> cases[] = {
      {R"("temperature": -1)", "400 options.temperature decimal_below_min_value"},
      {R"("temperature": 100.5)", "400 options.temperature decimal_above_max_value"},
      {R"("temperature": "hot")", "400 options.temperature invalid_type"},
      {R"("top_p": 1.5)", "400 options.top_p decimal_above_max_value"},
      {R"("repeat_penalty": 0)", "400 options.repeat_penalty decimal_below_min_value"},
      {R"("num_predict": 2147483648)", "400 options.num_predict integer_above_max_value"},
      {R"("num_ctx": "4096")", "400 options.num_ctx invalid_type"},
      {R"("stop": [1])", "400 options.stop invalid_type"},
      {R"("mirostat": 2)", "400 options.mirostat unsupported_parameter"},
      {R"("mirostat": "2")", "400 options.mirostat invalid_type"},
      {R"("tfs_z": 0.5)", "400 options.tfs_z unsupported_parameter"},
      {R"("typical_p": 0.7)", "400 options.typical_p unsupported_parameter"},
      {R"("repeat_last_n": 0.5)", "400 options.repeat_last_n invalid_type"},
  };
  for (const auto& [option, expected] : cases) EXPECT_EQ(verdict(with(option)), expected) << option;
}

TEST(OllamaRequests, WhatCannotBeHonouredIsRefusedByName) {
  const std::pair<Expected<ApiRequest>, const char*> cases[] = {
      {generate(R"({"suffix": "s"})"), "400 suffix unsupported_parameter"},
      {generate(R"({"template": "t"})"), "400 template unsupported_parameter"},
      {generate(R"({"context": [1]})"), "400 context unsupported_parameter"},
      {generate(R"({"images": ["eA=="]})"), "400 images unsupported_parameter"},
      {chat(R"({"messages": [{"role": "user", "content": "", "images": ["eA=="]}]})"),
       "400 messages[0].images unsupported_parameter"},
      {chat(R"({"format": "xml"})"), "400 format invalid_value"},
      {chat(R"({"think": "much"})"), "400 think invalid_value"},
      {chat(R"({"keep_alive": []})"), "400 keep_alive invalid_type"},
      {chat(R"({"keep_alive": "zz"})"), "400 keep_alive invalid_value"},
      {chat(R"({"keep_alive": "5 m"})"), "400 keep_alive invalid_value"},
      {chat(R"({"keep_alive": ""})"), "400 keep_alive invalid_value"},
      {chat(R"({"messages": [{"role": "boss", "content": ""}]})"), "400 messages[0].role invalid_value"},
      {chat(R"({"messages": [{"content": ""}]})"), "400 messages[0].role missing_required_parameter"},
      {chat(
           R"({"messages": [{"role": "user", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}]})"),
       "400 messages[0].tool_calls invalid_value"},
      {chat(R"({"messages": [{"role": "assistant", "tool_calls": [{}]}]})"),
       "400 messages[0].tool_calls[0].function missing_required_parameter"},
      {chat(
           R"({"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}]})"),
       "400 messages[0].tool_calls[0].function.arguments invalid_type"},
      {chat(R"({"tools": [{"type": "function", "function": {}}]})"),
       "400 tools[0].function.name missing_required_parameter"},
  };
  for (const auto& [request, expected] : cases) EXPECT_EQ(verdict(request), expected);
}

TEST(OllamaRequests, EachLimitHolds) {
  config::RequestLimits limits;
  limits.messages = limits.tool_calls = limits.tools = limits.stop_strings = 1;
  limits.name_bytes = 5;
  EXPECT_EQ(verdict(chat(R"({"messages": [{}, {}]})", limits)), "400 messages array_above_max_length");
  EXPECT_EQ(verdict(chat(R"({"messages": [{"role": "assistant", "tool_calls": [{}, {}]}]})", limits)),
            "400 messages[0].tool_calls array_above_max_length");
  EXPECT_EQ(verdict(chat(R"({"tools": [{}, {}]})", limits)), "400 tools array_above_max_length");
  EXPECT_EQ(verdict(chat(R"({"options": {"stop": ["a", "b"]}})", limits)),
            "400 options.stop array_above_max_length");
  EXPECT_EQ(verdict(chat(R"({"model": "abcdef"})", limits)), "400 model string_above_max_length");
}

TEST(OllamaRequests, AnyValueOfAnotherKindIsReadOrRefused) {
  const std::pair<Json, Parse> valid[] = {{full_chat(), parse_chat_request},
                                          {full_generate(), parse_generate_request}};
  std::size_t refused = 0;
  for (const auto& [whole, parse] : valid)
    for (const Json& body : mutations(whole)) {
      const auto request = parse(body, model, {});
      if (request) continue;
      ++refused;
      const int status = http_status(request.error().kind);
      EXPECT_TRUE(status == 400 || (status == 404 && request.error().param == "model")) << body.dump();
    }
  EXPECT_GT(refused, 300u);
}

}  // namespace
}  // namespace troupe::actors::edge::ollama
