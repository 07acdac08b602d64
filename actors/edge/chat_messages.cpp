#include "actors/edge/chat_messages.hpp"

#include <algorithm>
#include <array>

namespace troupe::actors::edge {
namespace {

std::string indexed(std::string_view name, std::size_t i) {
  return std::string(name) + "[" + std::to_string(i) + "]";
}

tl::unexpected<Refusal> not_an_object(const std::string& path, const Json& value) {
  return refuse(
      "Invalid type for '" + path + "': expected an object, but got " + type_in_words(value) + " instead.",
      path, "invalid_type");
}

// Returns the text of a content part of type "text", or of the assistant's "refusal", which has it under that name.
Expected<std::string> part_text(const Json& part, const std::string& path, bool of_assistant) {
  if (!part.is_object()) return not_an_object(path, part);
  RequestFields fields(part, path + ".");
  const auto type = fields.text("type");
  if (!type) fields.missing("type");
  const bool refusal = of_assistant && type == "refusal";
  if (type && *type != "text" && !refusal) {
    // Only names of the API are repeated to the client.
    static constexpr std::array known{"image_url", "input_audio", "audio_url",  "video_url",
                                      "file",      "refusal",     "input_image"};
    for (const char* each : known)
      if (*type == each)
        fields.keep({RefusalKind::invalid,
                     "Content parts of type '" + *type + "' are not supported: the model reads text only.",
                     fields.param("type"), "unsupported_content_part"});
    fields.invalid("type", "Only content parts of type 'text' are supported.", "unsupported_content_part");
  }
  const char* field = refusal ? "refusal" : "text";
  const auto text = fields.text(field);
  if (!text) fields.missing(field);
  if (fields.refusal()) return tl::unexpected(*fields.refusal());
  return *text;
}

// Null when the message has no content. An assistant that refused has the text of that instead.
Expected<Json> joined_content(RequestFields& fields, bool of_assistant, const config::RequestLimits& limits) {
  const Json* content = fields.find("content");
  const auto refusal = of_assistant ? fields.text("refusal") : std::nullopt;
  if (!content) return refusal ? Json(*refusal) : Json();
  if (content->is_string()) return *content;
  if (!content->is_array()) {
    fields.wrong_type("content", "a string or an array of content parts");
    return Json();
  }
  if (!fields.array("content", limits.content_parts)) return Json();
  std::string joined;
  for (std::size_t i = 0; i < content->size(); ++i) {
    const auto text = part_text((*content)[i], fields.param(indexed("content", i)), of_assistant);
    if (!text) return tl::unexpected(text.error());
    if (i > 0) joined += '\n';
    joined += *text;
  }
  return Json(joined);
}

// The function of a tool or of a call: an object that check looks into.
Expected<void> check_function(RequestFields& fields, std::string_view field,
                              void (*check)(RequestFields&, const config::RequestLimits&),
                              const config::RequestLimits& limits) {
  const Json* function = fields.object(field);
  if (!function) fields.missing(field);
  if (fields.refusal()) return tl::unexpected(*fields.refusal());
  RequestFields inside(*function, fields.param(field) + ".");
  check(inside, limits);
  if (inside.refusal()) return tl::unexpected(*inside.refusal());
  return {};
}

void check_name(RequestFields& function, const config::RequestLimits& limits) {
  const auto name = function.text("name", limits.name_bytes);
  if (!name || name->empty()) function.missing("name");
}

void check_called(RequestFields& function, const config::RequestLimits& limits) {
  check_name(function, limits);
  if (!function.text("arguments")) function.missing("arguments");
}

// Returns the call with its type, which templates print.
Expected<Json> checked_tool_call(const Json& call, const std::string& path,
                                 const config::RequestLimits& limits) {
  if (!call.is_object()) return not_an_object(path, call);
  RequestFields fields(call, path + ".");
  fields.text("id", limits.name_bytes);
  if (fields.text("type").value_or("function") != "function")
    fields.invalid("type", "Only calls of type 'function' are supported.");
  if (const auto ok = check_function(fields, "function", check_called, limits); !ok)
    return tl::unexpected(ok.error());
  Json checked = call;
  checked["type"] = "function";
  return checked;
}

// The calls of a message, an empty array if there are none. id: for the call of an older client, which has none.
Expected<Json> checked_calls(RequestFields& fields, const std::string& id,
                             const config::RequestLimits& limits) {
  Json checked = Json::array();
  const Json* calls = fields.array("tool_calls", limits.tool_calls);
  for (std::size_t i = 0; calls && i < calls->size(); ++i) {
    auto call = checked_tool_call((*calls)[i], fields.param(indexed("tool_calls", i)), limits);
    if (!call) return call;
    checked.push_back(std::move(*call));
  }
  const Json* call = fields.find("function_call");
  if (!call) return checked;
  if (!checked.empty())
    fields.invalid("function_call", "It may not stand beside 'tool_calls', which it is the older form of.");
  if (const auto ok = check_function(fields, "function_call", check_called, limits); !ok)
    return tl::unexpected(ok.error());
  checked.push_back({{"id", id}, {"type", "function"}, {"function", *call}});
  return checked;
}

Expected<std::string> checked_role(RequestFields& fields) {
  const auto role = fields.text("role");
  if (!role) fields.missing("role");
  if (fields.refusal()) return tl::unexpected(*fields.refusal());
  if (*role == "developer") return "system";
  if (*role == "function") return "tool";  // of older clients
  if (*role == "system" || *role == "user" || *role == "assistant" || *role == "tool") return *role;
  fields.invalid("role", "Supported roles are 'system', 'developer', 'user', 'assistant' and 'tool'.");
  return tl::unexpected(*fields.refusal());
}

// The fields that a message may have beside those that are read for what they mean.
void check_other_fields(RequestFields& fields, const std::string& role) {
  for (const char* text : {"name", "tool_call_id", "reasoning_content", "reasoning"}) fields.text(text);
  if (fields.boolean("prefix", false) && role != "assistant")
    fields.invalid("prefix", "Only a message of the assistant can be gone on with.");
}

// In the form that templates expect. calls: its own, checked.
Json message_object(const Json& message, const std::string& role, const Json& content, const Json& calls) {
  // Templates of DeepSeek V3 print calls only where there is no content at all.
  const bool no_content = content == "" && !calls.empty();
  Json out = {{"role", role}, {"content", no_content ? Json() : content}};
  auto& fields = out.get_ref<Json::object_t&>();
  for (const auto& [key, value] : message.items())
    if (!value.is_null() && key != "role" && key != "content" && key != "tool_calls" &&
        key != "function_call")
      fields.emplace_back(key, value);  // without a search for each: the message has it once
  if (!calls.empty()) out["tool_calls"] = calls;
  // Answers carry the thoughts under both names, so a client may send back either.
  if (out.contains("reasoning") && !out.contains("reasoning_content"))
    out["reasoning_content"] = out["reasoning"];
  return out;
}

Expected<Json> checked_message(const Json& message, std::size_t index, const config::RequestLimits& limits) {
  const std::string path = indexed("messages", index);
  if (!message.is_object()) return not_an_object(path, message);
  RequestFields fields(message, path + ".");
  const auto role = checked_role(fields);
  if (!role) return tl::unexpected(role.error());
  auto content = joined_content(fields, *role == "assistant", limits);
  if (!content) return tl::unexpected(content.error());
  const auto calls = checked_calls(fields, "call_" + std::to_string(index), limits);
  if (!calls) return tl::unexpected(calls.error());
  if (!calls->empty() && *role != "assistant")
    fields.invalid("tool_calls", "Only messages of the assistant may call tools.");
  if (content->is_null() && message["role"] == "function") content = "";  // older clients may send null
  if (content->is_null() && calls->empty()) fields.missing("content");
  check_other_fields(fields, *role);
  if (fields.refusal()) return tl::unexpected(*fields.refusal());
  return message_object(message, *role, *content, *calls);
}

// A tool, with its type, which clients may leave out, where they have it.
Json with_type(const Json& tool) {
  if (tool.value("type", Json()) == "function") return tool;
  Json typed = {{"type", "function"}};
  for (const auto& [key, value] : tool.items())
    if (key != "type") typed.get_ref<Json::object_t&>().emplace_back(key, value);
  return typed;
}

}  // namespace

Expected<Json> check_messages(const Json& messages, const config::RequestLimits& limits) {
  Json checked = Json::array();
  Json last_call;  // its id, which a message of an older client answers without naming it; null: it has none
  if (messages.empty())
    return refuse("Invalid 'messages'. Expected at least one message.", "messages", "empty_array");
  for (std::size_t i = 0; i < messages.size(); ++i) {
    auto message = checked_message(messages[i], i, limits);
    if (!message) return message;
    if (i + 1 < messages.size() && message->value("prefix", false))
      return refuse("Only the last message can be gone on with.", indexed("messages", i) + ".prefix",
                    "invalid_value");
    if (messages[i]["role"] == "function" && !last_call.is_null()) (*message)["tool_call_id"] = last_call;
    if (const auto calls = message->find("tool_calls"); calls != message->end())
      last_call = calls->back().value("id", Json());
    checked.push_back(std::move(*message));
  }
  return checked;
}

bool goes_on(const Json& messages) {
  return messages.back().value("prefix", false);
}

void go_on_with_last_of_assistant(runtime::ChatPrompt& prompt) {
  const Json& last = prompt.messages.back();
  prompt.continue_final_message = last["role"] == "assistant" && !last.contains("tool_calls");
  prompt.add_generation_prompt = !prompt.continue_final_message;
}

void check_declaration(RequestFields& function, const config::RequestLimits& limits) {
  check_name(function, limits);
  function.text("description");
  function.object("parameters");
  function.boolean("strict", false);
}

bool has_tool(const Json& tools, std::string_view name) {
  return std::ranges::any_of(tools, [&](const Json& tool) { return tool["function"]["name"] == name; });
}

Expected<Json> check_tools(const Json& tools, const config::RequestLimits& limits) {
  Json checked = tools;
  for (std::size_t i = 0; i < tools.size(); ++i) {
    const std::string path = indexed("tools", i);
    if (!tools[i].is_object()) return not_an_object(path, tools[i]);
    RequestFields fields(tools[i], path + ".");
    if (fields.text("type").value_or("function") != "function")
      fields.invalid("type", "Only tools of type 'function' are supported.");
    if (const auto ok = check_function(fields, "function", check_declaration, limits); !ok)
      return tl::unexpected(ok.error());
    checked[i] = with_type(tools[i]);
    Json& function = checked[i]["function"];
    if (function["description"].is_null()) function["description"] = "";
    if (function["parameters"].is_null())
      function["parameters"] = {{"type", "object"}, {"properties", Json::object()}};
  }
  return checked;
}

}  // namespace troupe::actors::edge
