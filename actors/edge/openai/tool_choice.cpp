#include "actors/edge/openai/tool_choice.hpp"

#include <set>

#include "actors/edge/chat_messages.hpp"

namespace troupe::actors::edge::openai {
namespace {

using ToolChoice = runtime::ChatPrompt::ToolChoice;

const std::string& name_of(const Json& tool) {
  return tool["function"]["name"].get_ref<const std::string&>();
}

// The name in {"name": ...}, which a forced call must have.
void read_forced_function(RequestFields& fields, const Json& choice, const std::string& path,
                          runtime::ChatPrompt& prompt) {
  RequestFields inside(choice, path + ".");
  const auto name = inside.text("name");
  if (!name) inside.missing("name");
  if (inside.refusal()) return fields.keep(*inside.refusal());
  if (!has_tool(prompt.tools, *name))
    return fields.keep({RefusalKind::invalid,
                        "Invalid '" + path + ".name'. It is no function of the request's.", path + ".name",
                        "invalid_value"});
  prompt.tool_choice = ToolChoice::named;
  prompt.tool_name = *name;
}

// {"type": "function", "function": {"name": ...}}
void read_named_tool(RequestFields& choice, runtime::ChatPrompt& prompt) {
  const Json* function = choice.object("function");
  if (!function) choice.missing("function");
  if (choice.refusal()) return;
  read_forced_function(choice, *function, choice.param("function"), prompt);
}

// The names in [{"type": "function", "function": {"name": ...}}, ...].
std::set<std::string> read_names(RequestFields& allowed, const config::RequestLimits& limits) {
  std::set<std::string> names;
  if (!allowed.find("tools")) allowed.missing("tools");
  allowed.each_object("tools", limits.tools, [&](RequestFields& tool) {
    if (tool.text("type").value_or("function") != "function")
      tool.invalid("type", "Only 'function' is supported.");
    const Json* function = tool.object("function");
    if (!function) return tool.missing("function");
    RequestFields inside(*function, tool.param("function") + ".");
    names.insert(inside.needed_text("name"));
    if (inside.refusal()) tool.keep(*inside.refusal());
  });
  return names;
}

// {"type": "allowed_tools", "allowed_tools": {"mode": ..., "tools": ...}}: the model is not told of others.
void read_allowed_tools(RequestFields& choice, const config::RequestLimits& limits,
                        runtime::ChatPrompt& prompt) {
  const Json* allowed = choice.object("allowed_tools");
  if (!allowed) return choice.missing("allowed_tools");
  RequestFields inside(*allowed, choice.param("allowed_tools") + ".");
  const std::string mode = inside.needed_text("mode");
  if (mode != "auto" && mode != "required") inside.invalid("mode", "Expected 'auto' or 'required'.");
  const std::set<std::string> names = read_names(inside, limits);
  Json kept = Json::array();
  for (const Json& tool : prompt.tools)
    if (names.contains(name_of(tool))) kept.push_back(tool);
  if (names.empty() || kept.size() < names.size())
    inside.invalid("tools", "Each must be a function of the request's, and there must be one.");
  if (inside.refusal()) return choice.keep(*inside.refusal());
  prompt.tools = std::move(kept);
  if (mode == "required") prompt.tool_choice = ToolChoice::required;
}

}  // namespace

void read_tool_choice(RequestFields& fields, const config::RequestLimits& limits,
                      runtime::ChatPrompt& prompt) {
  const Json* choice = fields.find("tool_choice");
  if (!choice || *choice == "auto") return;
  if (*choice == "none") {
    prompt.parse_tool_calls = false;
    return;
  }
  if (!choice->is_string() && !choice->is_object())
    return fields.wrong_type("tool_choice", "a string or an object");
  if (prompt.tools.empty())
    return fields.invalid("tool_choice", "It is only allowed when 'tools' are given.");
  if (*choice == "required") {
    prompt.tool_choice = ToolChoice::required;
    return;
  }
  if (choice->is_string())
    return fields.invalid("tool_choice", "Expected 'none', 'auto', 'required' or a function.");
  RequestFields inside(*choice, "tool_choice.");
  const std::string type = inside.text("type").value_or("function");
  if (type == "function")
    read_named_tool(inside, prompt);
  else if (type == "allowed_tools")
    read_allowed_tools(inside, limits, prompt);
  else
    inside.invalid("type", "Only 'function' and 'allowed_tools' are supported.");
  if (inside.refusal()) fields.keep(*inside.refusal());
}

void read_function_call(RequestFields& fields, runtime::ChatPrompt& prompt) {
  const Json* call = fields.find("function_call");
  if (!call || *call == "auto") return;
  if (*call == "none") {
    prompt.parse_tool_calls = false;
  } else if (call->is_object()) {
    read_forced_function(fields, *call, "function_call", prompt);
  } else {
    fields.invalid("function_call", "Expected 'none', 'auto' or a function's name in an object.");
  }
}

}  // namespace troupe::actors::edge::openai
