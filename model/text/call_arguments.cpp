#include "model/text/call_arguments.hpp"

#include "model/output/kimi_calls.hpp"

namespace troupe::model {

using nlohmann::ordered_json;

namespace {

constexpr const char* probe_text = R"({"place": "Lima"})";

ordered_json history_with(const ordered_json& arguments, const ordered_json& content) {
  ordered_json messages = ordered_json::parse(R"([
      {"role": "user", "content": "Weather?"},
      {"role": "assistant",
       "tool_calls": [{"id": "call_0", "type": "function", "function": {"name": "weather"}}]},
      {"role": "tool", "tool_call_id": "call_0", "name": "weather", "content": "sun"}])");
  messages[1]["content"] = content;
  messages[1]["tool_calls"][0]["function"]["arguments"] = arguments;
  return messages;
}

// Empty if the template fails.
std::string rendered(const ChatTemplate& chat_template, const ordered_json& variables,
                     const ordered_json& arguments, const ordered_json& content) {
  ordered_json tools = ordered_json::parse(R"([{"type": "function", "function": {"name": "weather",
      "description": "", "parameters": {"type": "object", "properties": {}}}}])");
  const auto prompt = chat_template.render(variables, {{"messages", history_with(arguments, content)},
                                                       {"tools", std::move(tools)},
                                                       {"documents", nullptr},
                                                       {"add_generation_prompt", false}});
  return prompt ? prompt->text : "";
}

// With the content that it takes.
std::string rendered(const ChatTemplate& chat_template, const ordered_json& variables,
                     const ordered_json& arguments) {
  const std::string text = rendered(chat_template, variables, arguments, nullptr);
  return text.empty() ? rendered(chat_template, variables, arguments, "") : text;
}

// Null if text is no object, or deeper than a template takes.
ordered_json object_of(const std::string& text) {
  if (text.find_first_not_of(" \t\r\n") == text.npos) return ordered_json::object();
  bool too_deep = false;
  const auto keep = [&](int depth, auto, auto&) {
    too_deep = too_deep || depth > TemplateLimits{}.value_depth;
    return !too_deep;
  };
  ordered_json object = ordered_json::parse(text, keep, false);
  return object.is_object() && !too_deep ? object : ordered_json();
}

}  // namespace

bool takes_mappings(const ChatTemplate& chat_template, const ordered_json& variables) {
  // As text they must come out as they are: tojson would quote them once more.
  if (rendered(chat_template, variables, probe_text).find(probe_text) != std::string::npos) return false;
  return rendered(chat_template, variables, ordered_json::parse(probe_text)).find("Lima") !=
         std::string::npos;
}

bool takes_null_content(const ChatTemplate& chat_template, const ordered_json& variables) {
  for (const ordered_json& arguments : {ordered_json(probe_text), ordered_json::parse(probe_text)}) {
    if (!rendered(chat_template, variables, arguments, nullptr).empty()) return true;
    if (!rendered(chat_template, variables, arguments, "").empty()) return false;
  }
  return true;
}

ToolCallSyntax printed_syntax(const ChatTemplate& chat_template, const ordered_json& variables) {
  if (chat_template.mentions("DSML")) return ToolCallSyntax::dsml;
  if (chat_template.mentions("```json")) return ToolCallSyntax::fenced;
  if (chat_template.mentions(KimiCalls::argument_begin)) return ToolCallSyntax::kimi;
  const std::string printed = rendered(chat_template, variables, ordered_json::parse(probe_text)) +
                              rendered(chat_template, variables, probe_text);
  const auto prints = [&](std::string_view text) { return printed.find(text) != printed.npos; };
  if (prints(R"(<tool_call>
{"name": "weather", "arguments": )"))
    return ToolCallSyntax::hermes;
  return prints(R"({"name": "weather", "parameters": )") ? ToolCallSyntax::llama : ToolCallSyntax::bare;
}

Expected<ordered_json> with_mappings(ordered_json messages) {
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (!messages[i].contains("tool_calls")) continue;
    ordered_json& calls = messages[i]["tool_calls"];
    for (std::size_t j = 0; j < calls.size(); ++j) {
      ordered_json& arguments = calls[j]["function"]["arguments"];
      if (!arguments.is_string()) continue;
      arguments = object_of(arguments.get_ref<const std::string&>());
      if (arguments.is_null())
        return refuse(
            "The chat template wants a call's arguments to be a JSON object.",
            "messages[" + std::to_string(i) + "].tool_calls[" + std::to_string(j) + "].function.arguments",
            "invalid_value");
    }
  }
  return messages;
}

ordered_json with_texts(ordered_json messages) {
  for (ordered_json& message : messages)
    if (message.contains("content") && message["content"].is_null()) message["content"] = "";
  return messages;
}

}  // namespace troupe::model
