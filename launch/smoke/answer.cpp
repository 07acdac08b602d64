#include "launch/smoke/answer.hpp"

#include "launch/server_answer.hpp"
#include "runtime/base/error.hpp"

namespace troupe::launch::smoke {
namespace {

using nlohmann::ordered_json;

[[noreturn]] void refuse(const std::string& what) {
  throw Error(what, "the answer");
}

// A text that may be missing or null.
const std::string* text_at(const ordered_json& object, const char* name) {
  const auto field = object.find(name);
  return field != object.end() && field->is_string() ? field->get_ptr<const std::string*>() : nullptr;
}

const ordered_json& first_choice(const ordered_json& object) {
  const auto choices = object.find("choices");
  if (choices == object.end() || !choices->is_array() || choices->empty() || !choices->front().is_object())
    refuse("has no choice");
  return choices->front();
}

// message: of a whole answer, or the delta of a chunk.
void add_texts(const ordered_json& message, ChatAnswer& answer) {
  if (const auto* content = text_at(message, "content")) answer.content += *content;
  const auto* reasoning = text_at(message, "reasoning_content");  // vLLM's older name and its newer one
  if (!reasoning) reasoning = text_at(message, "reasoning");
  if (reasoning) answer.reasoning += *reasoning;
  answer.has_reasoning |= reasoning != nullptr;
}

void add_end(const ordered_json& choice, ChatAnswer& answer) {
  if (const auto* reason = text_at(choice, "finish_reason")) answer.finish_reason = *reason;
}

void add_usage(const ordered_json& object, ChatAnswer& answer) {
  const auto usage = object.find("usage");
  if (usage == object.end() || !usage->is_object()) return;
  const auto tokens = usage->find("completion_tokens");
  if (tokens != usage->end() && tokens->is_number_integer()) answer.completion_tokens = *tokens;
}

std::vector<CalledTool> calls_of(const ordered_json& message) {
  std::vector<CalledTool> calls;
  const auto listed = message.find("tool_calls");
  if (listed == message.end() || !listed->is_array()) return calls;
  for (const ordered_json& each : *listed) {
    const auto function = each.find("function");
    if (function == each.end() || !function->is_object()) refuse("has a tool call without its function");
    const auto *name = text_at(*function, "name"), *arguments = text_at(*function, "arguments");
    if (!name || !arguments) refuse("has a tool call without name or arguments");
    calls.push_back({*name, *arguments});
  }
  return calls;
}

}  // namespace

ChatAnswer read_answer(const std::string& page) {
  const ordered_json object = ordered_json::parse(page, nullptr, false);
  if (!object.is_object()) refuse("is no JSON object");
  const ordered_json& choice = first_choice(object);
  const auto message = choice.find("message");
  if (message == choice.end() || !message->is_object()) refuse("has no message");
  ChatAnswer answer;
  add_texts(*message, answer);
  add_end(choice, answer);
  add_usage(object, answer);
  answer.calls = calls_of(*message);
  return answer;
}

void StreamedAnswer::take(std::string_view bytes) {
  events_.feed(bytes, [this](std::string_view data) { event(data); });
}

void StreamedAnswer::event(std::string_view data) {
  if (done_) refuse("goes on behind its [DONE]");
  if (data == "[DONE]") {
    done_ = true;
    return;
  }
  const ordered_json chunk = ordered_json::parse(data, nullptr, false);
  if (!chunk.is_object()) refuse("has an event that is no JSON object");
  if (has_error(chunk)) refuse("was ended by the server" + reason_of(chunk));
  add_usage(chunk, answer_);
  const auto choices = chunk.find("choices");
  if (choices == chunk.end() || !choices->is_array() || choices->empty()) return;  // usage alone
  const ordered_json& choice = first_choice(chunk);
  const auto delta = choice.find("delta");
  if (delta == choice.end() || !delta->is_object()) refuse("has a chunk without its delta");
  add_texts(*delta, answer_);
  add_end(choice, answer_);
}

const ChatAnswer& StreamedAnswer::whole() const {
  if (!done_) refuse("ended without its [DONE]");
  return answer_;
}

}  // namespace troupe::launch::smoke
