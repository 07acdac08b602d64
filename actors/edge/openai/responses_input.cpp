#include "actors/edge/openai/responses_input.hpp"

#include <algorithm>
#include <array>

namespace troupe::actors::edge::openai {
namespace {

// Parts that a list in an item may have.
using PartTypes = std::initializer_list<std::string_view>;

// The texts of an item's parts, joined as those of a chat's messages are.
std::string joined_parts(RequestFields& item, std::string_view name, PartTypes types,
                         const config::RequestLimits& limits) {
  std::string joined;
  const char* separator = "";
  item.each_object(name, limits.content_parts, [&](RequestFields& part) {
    const auto type = part.text("type");
    if (!type) return part.missing("type");
    if (std::ranges::find(types, *type) == types.end())
      return part.invalid("type", "The model reads and writes text only.", "unsupported_content_part");
    // A refusal's text is in the field of its name.
    joined += separator + part.needed_text(*type == "refusal" ? "refusal" : "text");
    separator = "\n";
  });
  return joined;
}

// A string, or parts.
std::string text_or_parts(RequestFields& item, std::string_view name, PartTypes types,
                          const config::RequestLimits& limits) {
  const Json* found = item.find(name);
  if (!found) {
    item.missing(name);
    return {};
  }
  if (found->is_string()) return found->get<std::string>();
  if (!found->is_array()) {
    item.wrong_type(name, "a string or an array of content parts");
    return {};
  }
  return joined_parts(item, name, types, limits);
}

// Messages as they grow. What the assistant thought, said and called in one turn are items of their own, and one
// message of a chat.
class Conversation {
 public:
  explicit Conversation(const config::RequestLimits& limits) : limits_(limits) {}

  void add(RequestFields& item) {
    const std::string type = item.text("type").value_or("message");
    if (type == "message") return add_message(item);
    if (type == "reasoning") return add_reasoning(item);
    if (type == "function_call") return add_call(item);
    if (type == "function_call_output") return add_call_output(item);
    if (type == "item_reference") return item.unsupported("type", "nothing is stored; send the item itself.");
    item.invalid(
        "type",
        "Expected 'message', 'reasoning', 'function_call' or 'function_call_output': the server has no "
        "tools of its own.");
  }
  void say(const char* role, std::string text) {
    messages_.push_back({{"role", role}, {"content", std::move(text)}});
  }
  Json take() { return std::move(messages_); }

 private:
  void add_message(RequestFields& item) {
    static constexpr std::array roles{"system", "developer", "user", "assistant"};
    const auto role = item.text("role");
    if (!role) return item.missing("role");
    const auto known = std::ranges::find(roles, *role);
    if (known == roles.end())
      return item.invalid("role", "Expected 'system', 'developer', 'user' or 'assistant'.");
    std::string text =
        text_or_parts(item, "content", {"input_text", "output_text", "text", "refusal"}, limits_);
    if (*role != "assistant") return say(*known, std::move(text));
    Json& turn = turn_of_assistant();
    if (turn["content"] != "" || turn.contains("tool_calls")) return say("assistant", std::move(text));
    turn["content"] = std::move(text);
  }

  // The thoughts themselves where the client has them, else their summary.
  void add_reasoning(RequestFields& item) {
    std::string text = joined_parts(item, "content", {"reasoning_text", "text"}, limits_);
    const std::string summary = joined_parts(item, "summary", {"summary_text"}, limits_);
    if (text.empty()) text = summary;
    if (text.empty()) return;
    say("assistant", "");
    messages_.back()["reasoning_content"] = std::move(text);
  }

  void add_call(RequestFields& item) {
    const auto id = item.text("call_id", limits_.name_bytes), name = item.text("name", limits_.name_bytes);
    const auto arguments = item.text("arguments");
    if (!id) item.missing("call_id");
    if (!name || name->empty()) item.missing("name");
    if (!arguments) item.missing("arguments");
    if (item.refusal()) return;
    Json& calls = turn_of_assistant()["tool_calls"];
    if (calls.size() == limits_.tool_calls)
      return item.invalid("type", "A turn has at most " + std::to_string(calls.size()) + " calls.",
                          "array_above_max_length");
    calls.push_back(
        {{"id", *id}, {"type", "function"}, {"function", {{"name", *name}, {"arguments", *arguments}}}});
  }

  void add_call_output(RequestFields& item) {
    const auto id = item.text("call_id", limits_.name_bytes);
    if (!id) return item.missing("call_id");
    say("tool", text_or_parts(item, "output", {"input_text", "output_text", "text"}, limits_));
    messages_.back()["tool_call_id"] = *id;
  }

  Json& turn_of_assistant() {
    if (messages_.empty() || messages_.back()["role"] != "assistant") say("assistant", "");
    return messages_.back();
  }

  const config::RequestLimits& limits_;
  Json messages_ = Json::array();
};

}  // namespace

Json read_input(RequestFields& fields, const config::RequestLimits& limits) {
  Conversation conversation(limits);
  if (auto instructions = fields.text("instructions")) conversation.say("system", std::move(*instructions));
  const Json* input = fields.find("input");
  if (!input) {
    fields.missing("input");
  } else if (input->is_string()) {
    conversation.say("user", input->get<std::string>());
  } else if (!input->is_array()) {
    fields.wrong_type("input", "a string or an array of items");
  } else if (input->empty()) {
    fields.invalid("input", "Expected at least one item.", "empty_array");
  } else {
    fields.each_object("input", limits.messages, [&](RequestFields& item) { conversation.add(item); });
  }
  return conversation.take();
}

}  // namespace troupe::actors::edge::openai
