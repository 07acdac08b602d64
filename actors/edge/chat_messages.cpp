#include "actors/edge/chat_messages.hpp"

#include <array>

#include "actors/edge/request_fields.hpp"

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

// Returns the text of a content part of type "text".
Expected<std::string> part_text(const Json& part, const std::string& path) {
  if (!part.is_object()) return not_an_object(path, part);
  RequestFields fields(part, path + ".");
  const auto type = fields.text("type");
  if (!type) fields.missing("type");
  if (type && *type != "text") {
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
  const auto text = fields.text("text");
  if (!text) fields.missing("text");
  if (fields.refusal()) return tl::unexpected(*fields.refusal());
  return *text;
}

// Null when the message has no content.
Expected<Json> joined_content(RequestFields& fields, const config::RequestLimits& limits) {
  const Json* content = fields.find("content");
  if (!content) return Json();
  if (content->is_string()) return *content;
  if (!content->is_array()) {
    fields.wrong_type("content", "a string or an array of content parts");
    return Json();
  }
  if (!fields.array("content", limits.content_parts)) return Json();
  std::string joined;
  for (std::size_t i = 0; i < content->size(); ++i) {
    const auto text = part_text((*content)[i], fields.param(indexed("content", i)));
    if (!text) return tl::unexpected(text.error());
    if (i > 0) joined += '\n';
    joined += *text;
  }
  return Json(joined);
}

// The function of a tool or of a call: an object with a name. further(fields) reads what else it has. fields:
// of what holds it, which stands at path.
template <class Further>
Expected<void> check_function(RequestFields& fields, const std::string& path,
                              const config::RequestLimits& limits, Further further) {
  const Json* function = fields.object("function");
  if (!function) fields.missing("function");
  if (fields.refusal()) return tl::unexpected(*fields.refusal());
  RequestFields inside(*function, path + ".function.");
  const auto name = inside.text("name", limits.name_bytes);
  if (!name || name->empty()) inside.missing("name");
  further(inside);
  if (inside.refusal()) return tl::unexpected(*inside.refusal());
  return {};
}

Expected<void> check_tool_call(const Json& call, const std::string& path,
                               const config::RequestLimits& limits) {
  if (!call.is_object()) return not_an_object(path, call);
  RequestFields fields(call, path + ".");
  fields.text("id", limits.name_bytes);
  if (fields.text("type").value_or("function") != "function")
    fields.invalid("type", "Only calls of type 'function' are supported.");
  return check_function(fields, path, limits, [](RequestFields& function) {
    if (!function.text("arguments")) function.missing("arguments");
  });
}

// Returns whether the message calls tools.
Expected<bool> check_tool_calls(RequestFields& fields, const config::RequestLimits& limits) {
  const Json* calls = fields.array("tool_calls", limits.tool_calls);
  if (!calls) return false;
  for (std::size_t i = 0; i < calls->size(); ++i)
    if (const auto ok = check_tool_call((*calls)[i], fields.param(indexed("tool_calls", i)), limits); !ok)
      return tl::unexpected(ok.error());
  return !calls->empty();
}

Expected<std::string> checked_role(RequestFields& fields) {
  const auto role = fields.text("role");
  if (!role) fields.missing("role");
  if (fields.refusal()) return tl::unexpected(*fields.refusal());
  if (*role == "developer") return "system";
  if (*role == "system" || *role == "user" || *role == "assistant" || *role == "tool") return *role;
  fields.invalid("role", "Supported roles are 'system', 'developer', 'user', 'assistant' and 'tool'.");
  return tl::unexpected(*fields.refusal());
}

Expected<Json> check_message(const Json& message, const std::string& path,
                             const config::RequestLimits& limits) {
  if (!message.is_object()) return not_an_object(path, message);
  RequestFields fields(message, path + ".");
  const auto role = checked_role(fields);
  if (!role) return tl::unexpected(role.error());
  const auto content = joined_content(fields, limits);
  if (!content) return tl::unexpected(content.error());
  const auto calls = check_tool_calls(fields, limits);
  if (!calls) return tl::unexpected(calls.error());
  if (*calls && *role != "assistant")
    fields.invalid("tool_calls", "Only messages of the assistant may call tools.");
  if (content->is_null() && !*calls) fields.missing("content");
  for (const char* text : {"name", "tool_call_id", "reasoning_content", "reasoning"}) fields.text(text);
  if (fields.find("function_call")) fields.unsupported("function_call", "send 'tool_calls' instead.");
  if (fields.refusal()) return tl::unexpected(*fields.refusal());

  Json out = {{"role", *role}, {"content", *content}};
  for (const auto& [key, value] : message.items()) {
    if (key == "role" || key == "content" || value.is_null() || (key == "tool_calls" && !*calls)) continue;
    out[key] = value;
  }
  // Answers carry the thoughts under both names, so a client may send back either.
  if (out.contains("reasoning") && !out.contains("reasoning_content"))
    out["reasoning_content"] = out["reasoning"];
  return out;
}

}  // namespace

Expected<Json> check_messages(const Json& messages, const config::RequestLimits& limits) {
  Json checked = Json::array();
  if (messages.empty())
    return refuse("Invalid 'messages'. Expected at least one message.", "messages", "empty_array");
  for (std::size_t i = 0; i < messages.size(); ++i) {
    auto message = check_message(messages[i], indexed("messages", i), limits);
    if (!message) return tl::unexpected(message.error());
    checked.push_back(std::move(*message));
  }
  return checked;
}

Expected<void> check_tools(const Json& tools, const config::RequestLimits& limits) {
  for (std::size_t i = 0; i < tools.size(); ++i) {
    const std::string path = indexed("tools", i);
    if (!tools[i].is_object()) return not_an_object(path, tools[i]);
    RequestFields fields(tools[i], path + ".");
    const auto type = fields.text("type");
    if (!type) fields.missing("type");
    if (type != "function") fields.invalid("type", "Only tools of type 'function' are supported.");
    auto checked = check_function(fields, path, limits, [](RequestFields& function) {
      function.text("description");
      function.object("parameters");
      function.boolean("strict", false);
    });
    if (!checked) return checked;
  }
  return {};
}

}  // namespace troupe::actors::edge
