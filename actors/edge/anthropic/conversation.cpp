#include "actors/edge/anthropic/conversation.hpp"

#include <algorithm>
#include <array>

#include "actors/edge/chat_messages.hpp"
#include "actors/edge/fields_recording.hpp"
#include "actors/edge/tool_arguments.hpp"

namespace troupe::actors::edge::anthropic {
namespace {

using Text = std::optional<std::string>;

void join(const std::string& text, Text& joined) {
  if (joined)
    joined->append("\n").append(text);
  else
    joined = text;
}

void refuse_block(RequestFields& block, const std::string& type) {
  // Only names of the API are repeated to the client.
  static constexpr std::array known{"image", "document", "search_result", "container_upload",
                                    "server_tool_use"};
  if (std::ranges::find(known, type) == known.end())
    return block.invalid("type", "A content block of this type may not stand here.",
                         "unsupported_content_block");
  block.keep({RefusalKind::invalid,
              "Content blocks of type '" + type + "' are not supported: the model reads text only.",
              block.param("type"), "unsupported_content_block"});
}

// Calls read(RequestFields& block, type) for each block of the field; a plain string is one block of text.
template <class Read>
void read_blocks(RequestFields& message, std::string_view name, const config::RequestLimits& limits,
                 Read read) {
  const Json* content = message.find(name);
  if (!content || content->is_array())
    return message.each_object(name, limits.content_parts,
                               [&](RequestFields& block) { read(block, block.needed_text("type")); });
  if (!content->is_string()) return message.wrong_type(name, "a string or an array of content blocks");
  const Json only = {{"type", "text"}, {"text", *content}};
  RequestFields block(only, message.param(name) + ".");
  read(block, "text");
}

Text read_texts(RequestFields& message, std::string_view name, const config::RequestLimits& limits) {
  Text joined;
  read_blocks(message, name, limits, [&](RequestFields& block, const std::string& type) {
    if (type != "text") return refuse_block(block, type);
    join(block.needed_text("text"), joined);
  });
  return joined;
}

Json read_tool_result(RequestFields& block, const config::RequestLimits& limits) {
  Json result = {{"role", "tool"},
                 {"content", read_texts(block, "content", limits).value_or("")},
                 {"tool_call_id", block.needed_text("tool_use_id")}};
  if (block.boolean("is_error", false)) result["is_error"] = true;  // for the template
  return result;
}

void read_user(RequestFields& message, const config::RequestLimits& limits, Json& out) {
  Text text;
  const auto say = [&] {
    if (text) out.push_back({{"role", "user"}, {"content", *text}});
    text.reset();
  };
  read_blocks(message, "content", limits, [&](RequestFields& block, const std::string& type) {
    if (type == "text") return join(block.needed_text("text"), text);
    if (type != "tool_result") return refuse_block(block, type);
    say();
    out.push_back(read_tool_result(block, limits));
  });
  say();
}

Json read_tool_use(RequestFields& block, const config::RequestLimits& limits) {
  const std::string name = block.text("name", limits.name_bytes).value_or("");
  if (name.empty()) block.missing("name");
  const Json* input = block.object("input");
  if (!input) block.missing("input");
  const auto id = block.text("id", limits.name_bytes);
  if (!id) block.missing("id");
  return {{"id", id.value_or("")},
          {"type", "function"},
          {"function", {{"name", name}, {"arguments", input ? arguments_text(*input) : ""}}}};
}

void read_assistant(RequestFields& message, const config::RequestLimits& limits, Json& out) {
  Text text, thinking;
  Json calls = Json::array();
  read_blocks(message, "content", limits, [&](RequestFields& block, const std::string& type) {
    if (type == "text") return join(block.needed_text("text"), text);
    if (type == "thinking") return join(block.needed_text("thinking"), thinking);
    if (type == "redacted_thinking") return;  // nobody here can read it
    if (type != "tool_use") return refuse_block(block, type);
    if (calls.size() == limits.tool_calls)
      return block.invalid("type",
                           "A message has at most " + std::to_string(calls.size()) + " uses of tools.",
                           "array_above_max_length");
    calls.push_back(read_tool_use(block, limits));
  });
  Json result = {{"role", "assistant"}, {"content", text.value_or("")}};
  if (thinking && !thinking->empty()) result["reasoning_content"] = *thinking;
  if (!calls.empty()) result["tool_calls"] = std::move(calls);
  out.push_back(std::move(result));
}

void read_message(RequestFields& message, const config::RequestLimits& limits, Json& out) {
  const std::string role = message.needed_text("role");
  const Json* content = message.find("content");
  if (!content) return message.missing("content");
  if (content->is_array() && content->empty())
    return message.invalid("content", "Expected at least one content block.", "empty_array");
  if (role == "user") return read_user(message, limits, out);
  if (role == "assistant") return read_assistant(message, limits, out);
  if (role == "system")
    return out.push_back(
        {{"role", "system"}, {"content", read_texts(message, "content", limits).value_or("")}});
  message.invalid("role", "Supported roles are 'user', 'assistant' and 'system'.");
}

}  // namespace

Json read_conversation(RequestFields& fields, const config::RequestLimits& limits) {
  Json out = Json::array();
  if (const auto system = read_texts(fields, "system", limits); system && !system->empty())
    out.push_back({{"role", "system"}, {"content", *system}});
  const Json* messages = fields.array("messages", limits.messages);
  if (!messages) fields.missing("messages");
  if (messages && messages->empty())
    fields.invalid("messages", "Expected at least one message.", "empty_array");
  fields.each_object("messages", limits.messages,
                     [&](RequestFields& message) { read_message(message, limits, out); });
  if (fields.refusal()) return out;
  const FieldsRecording::Pause pause;
  auto checked = check_messages(out, limits);
  if (checked) return *checked;
  fields.keep(checked.error());
  return out;
}

}  // namespace troupe::actors::edge::anthropic
