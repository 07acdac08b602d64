#include "actors/edge/chat_messages.hpp"

#include <gtest/gtest.h>

namespace troupe::actors::edge {
namespace {

// The messages in the form that templates get, or the field at fault and the code.
std::string checked(const char* messages, const config::RequestLimits& limits = {}) {
  const auto result = check_messages(Json::parse(messages), limits);
  return result ? result->dump() : result.error().param + " " + result.error().code;
}

std::string checked_tools(const char* tools) {
  const auto result = check_tools(Json::parse(tools), {});
  return result ? result->dump() : result.error().param + " " + result.error().code;
}

TEST(ChatMessages, ACallsTypeIsFilledIn) {
  for (const char* type : {"", R"(, "type": null)", R"(, "type": "function")"})
    EXPECT_EQ(checked((R"([{"role": "assistant", "content": null, "tool_calls": [
                  {"id": "c", "function": {"name": "f", "arguments": "{}"})" +
                       std::string(type) + "}]}]")
                          .c_str()),
              R"([{"role":"assistant","content":null,"tool_calls":[)"
              R"({"id":"c","function":{"name":"f","arguments":"{}"},"type":"function"}]}])");
}

TEST(ChatMessages, EmptyContentBesideCallsIsNone) {
  EXPECT_EQ(checked(R"([{"role": "assistant", "content": "", "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}])"),
            R"([{"role":"assistant","content":null,"tool_calls":[)"
            R"({"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]}])");
  EXPECT_EQ(checked(R"([{"role": "assistant", "content": "", "tool_calls": []}])"),
            R"([{"role":"assistant","content":""}])");
}

TEST(ChatMessages, WhatTheAssistantSaidWhenItRefusedIsItsContent) {
  EXPECT_EQ(
      checked(
          R"([{"role": "assistant", "content": [{"type": "text", "text": "I"}, {"type": "refusal", "refusal": "won't"}]}])"),
      R"([{"role":"assistant","content":"I\nwon't"}])");
  EXPECT_EQ(checked(R"([{"role": "assistant", "content": null, "refusal": "No."}])"),
            R"([{"role":"assistant","content":"No.","refusal":"No."}])");
  const std::pair<const char*, const char*> cases[] = {
      {R"({"role": "user", "content": [{"type": "refusal", "refusal": "no"}]})",
       "messages[0].content[0].type unsupported_content_part"},
      {R"({"role": "assistant", "content": [{"type": "refusal", "text": "no"}]})",
       "messages[0].content[0].refusal missing_required_parameter"},
      {R"({"role": "assistant", "content": null, "refusal": 1})", "messages[0].refusal invalid_type"},
      {R"({"role": "user", "content": null, "refusal": "no"})",
       "messages[0].content missing_required_parameter"},
      {R"({"role": "assistant", "content": null, "refusal": null})",
       "messages[0].content missing_required_parameter"},
  };
  for (const auto& [message, expected] : cases)
    EXPECT_EQ(checked(("[" + std::string(message) + "]").c_str()), expected) << message;
}

TEST(ChatMessages, OlderClientsCallsAndAnswersAreThoseOfTools) {
  EXPECT_EQ(checked(R"([{"role": "user", "content": "q"},
                        {"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{}"}},
                        {"role": "function", "name": "f", "content": "4"},
                        {"role": "assistant", "content": "", "function_call": {"name": "g", "arguments": ""}},
                        {"role": "function", "name": "g", "content": null}])"),
            R"([{"role":"user","content":"q"},)"
            R"({"role":"assistant","content":null,"tool_calls":[)"
            R"({"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}}]},)"
            R"({"role":"tool","content":"4","name":"f","tool_call_id":"call_1"},)"
            R"({"role":"assistant","content":null,"tool_calls":[)"
            R"({"id":"call_3","type":"function","function":{"name":"g","arguments":""}}]},)"
            R"({"role":"tool","content":"","name":"g","tool_call_id":"call_3"}])");
  EXPECT_EQ(checked(R"([{"role": "function", "name": "f", "content": "4"}])"),
            R"([{"role":"tool","content":"4","name":"f"}])");
}

TEST(ChatMessages, CallsOfOlderClientsAreChecked) {
  config::RequestLimits limits;
  limits.name_bytes = 5;
  const std::pair<const char*, const char*> cases[] = {
      {R"({"role": "assistant", "function_call": "f"})", "messages[0].function_call invalid_type"},
      {R"({"role": "assistant", "function_call": {"arguments": ""}})",
       "messages[0].function_call.name missing_required_parameter"},
      {R"({"role": "assistant", "function_call": {"name": "longer", "arguments": ""}})",
       "messages[0].function_call.name string_above_max_length"},
      {R"({"role": "assistant", "function_call": {"name": "f", "arguments": {}}})",
       "messages[0].function_call.arguments invalid_type"},
      {R"({"role": "user", "content": "", "function_call": {"name": "f", "arguments": ""}})",
       "messages[0].tool_calls invalid_value"},
      {R"({"role": "assistant", "function_call": {"name": "f", "arguments": ""},
           "tool_calls": [{"function": {"name": "f", "arguments": ""}}]})",
       "messages[0].function_call invalid_value"},
      {R"({"role": "function"})", "ok"},
  };
  for (const auto& [message, expected] : cases) {
    const std::string result = checked((std::string("[") + message + "]").c_str(), limits);
    EXPECT_EQ(result.starts_with("[") ? "ok" : result, expected) << message;
  }
}

TEST(ChatMessages, OnlyTheAssistantsLastMessageCanBeGoneOnWith) {
  const auto says = [](const char* prefix) {
    return goes_on(check_messages(Json::parse(std::string(R"([{"role": "user", "content": "q"},
        {"role": "assistant", "content": "So")") +
                                              prefix + "}]"),
                                  {})
                       .value());
  };
  EXPECT_TRUE(says(R"(, "prefix": true)"));
  for (const char* prefix : {"", R"(, "prefix": false)", R"(, "prefix": null)"})
    EXPECT_FALSE(says(prefix)) << prefix;
  EXPECT_EQ(checked(R"([{"role": "assistant", "content": "So", "prefix": true},
                        {"role": "user", "content": "q"}])"),
            "messages[0].prefix invalid_value");
  EXPECT_EQ(checked(R"([{"role": "user", "content": "q", "prefix": true}])"),
            "messages[0].prefix invalid_value");
  EXPECT_EQ(checked(R"([{"role": "assistant", "content": "q", "prefix": 1}])"),
            "messages[0].prefix invalid_type");
}

// A long conversation is read once from its beginning to its end.
TEST(ChatMessages, OfManyAnswersOfOlderClientsEachIsOfTheCallBeforeIt) {
  Json messages = Json::array();
  for (int i = 0; i < 1000; ++i) {
    messages.push_back({{"role", "assistant"}, {"function_call", {{"name", "f"}, {"arguments", ""}}}});
    messages.push_back({{"role", "function"}, {"name", "f"}, {"content", "1"}});
    messages.push_back({{"role", "function"}, {"name", "f"}, {"content", "2"}});
  }
  const auto checked = check_messages(messages, {});
  ASSERT_TRUE(checked);
  for (std::size_t i = 0; i < checked->size(); ++i)
    EXPECT_EQ((*checked)[i].value("tool_call_id", ""), i % 3 == 0 ? "" : "call_" + std::to_string(i - i % 3));
}

// A call without an id hides those before it: what answers it has none.
TEST(ChatMessages, TheLastCallMayHaveNoId) {
  EXPECT_EQ(checked(R"([{"role": "assistant", "content": "", "function_call": {"name": "f", "arguments": ""}},
                        {"role": "assistant", "tool_calls": [{"function": {"name": "g", "arguments": ""}}]},
                        {"role": "function", "name": "g", "content": "4"}])")
                .find("tool_call_id"),
            std::string::npos);
}

TEST(ChatMessages, FieldsOfTheTemplatesOwnKeepTheirOrder) {
  EXPECT_EQ(checked(R"([{"z": 1, "content": "q", "a": null, "role": "user", "b": [], "name": "n"}])"),
            R"([{"role":"user","content":"q","z":1,"b":[],"name":"n"}])");
}

TEST(ChatTools, AToolWithoutATypeIsAFunction) {
  const std::string typed = checked_tools(R"([{"type": "function", "function": {"name": "f"}}])");
  EXPECT_EQ(checked_tools(R"([{"function": {"name": "f"}}])"), typed);
  EXPECT_EQ(checked_tools(R"([{"function": {"name": "f"}, "type": null}])"), typed);
  EXPECT_EQ(checked_tools(R"([{"type": "web", "function": {"name": "f"}}])"), "tools[0].type invalid_value");
  EXPECT_EQ(checked_tools(R"([{}])"), "tools[0].function missing_required_parameter");
}

TEST(ChatTools, AreFoundByTheirNames) {
  const Json tools = Json::parse(R"([{"type": "function", "function": {"name": "f"}}])");
  EXPECT_TRUE(has_tool(tools, "f"));
  EXPECT_FALSE(has_tool(tools, "g"));
  EXPECT_FALSE(has_tool(nullptr, "f"));
}

TEST(ChatTools, WhatTemplatesPrintIsThere) {
  const auto completed = nlohmann::json::parse(
      R"([{"type": "function",
           "function": {"name": "f", "description": "", "parameters": {"type": "object", "properties": {}}}}])");
  for (const std::string without : {"", R"(, "description": null)", R"(, "parameters": null)",
                                    R"(, "parameters": null, "description": "")"}) {
    const std::string tools = R"([{"type": "function", "function": {"name": "f")" + without + "}}]";
    EXPECT_EQ(nlohmann::json::parse(checked_tools(tools.c_str())), completed) << without;
  }
  EXPECT_EQ(checked_tools(
                R"([{"type":"function","function":{"parameters":{"z":1},"description":"d","name":"f"}}])"),
            R"([{"type":"function","function":{"parameters":{"z":1},"description":"d","name":"f"}}])");
  EXPECT_EQ(checked_tools(R"([{"type": "function", "function": {"name": "f", "description": 1}}])"),
            "tools[0].function.description invalid_type");
}

}  // namespace
}  // namespace troupe::actors::edge
