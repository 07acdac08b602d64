#include "launch/chat/answer_stream.hpp"

#include <nlohmann/json.hpp>

#include "launch/server_answer.hpp"
#include "runtime/base/error.hpp"

namespace troupe::launch::chat {
namespace {

using nlohmann::ordered_json;

// A text that may be missing or null.
std::string text_at(const ordered_json& object, const char* name) {
  const auto field = object.find(name);
  return field != object.end() && field->is_string() ? field->get<std::string>() : "";
}

Piece piece_of(const ordered_json& choice) {
  const auto delta = choice.find("delta");
  if (delta == choice.end() || !delta->is_object()) return {};
  std::string reasoning = text_at(*delta, "reasoning_content");  // vLLM's older name and its newer one
  if (reasoning.empty()) reasoning = text_at(*delta, "reasoning");
  return {std::move(reasoning), text_at(*delta, "content")};
}

// That of index 0, where a request asked for several. Null: the chunk says nothing of it.
const ordered_json* first_choice(const ordered_json& chunk) {
  const auto choices = chunk.find("choices");
  if (choices == chunk.end() || !choices->is_array()) return nullptr;
  for (const ordered_json& choice : *choices) {
    if (!choice.is_object()) continue;
    const auto index = choice.find("index");
    if (index == choice.end() || *index == 0) return &choice;
  }
  return nullptr;
}

}  // namespace

void AnswerStream::take(std::string_view bytes) {
  events_.feed(bytes, [this](std::string_view data) { event(data); });
}

void AnswerStream::event(std::string_view data) {
  if (data == "[DONE]") {
    done_ = true;
    return;
  }
  const ordered_json chunk = ordered_json::parse(data, nullptr, false);
  if (!chunk.is_object()) throw Error("an event is no JSON object", "the answer");
  if (has_error(chunk)) {
    const std::string reason = reason_of(chunk);
    throw Error("the server ended it" + reason, "the answer");
  }
  const ordered_json* const choice = first_choice(chunk);
  if (!choice) return;
  const Piece piece = piece_of(*choice);
  if (!piece.reasoning.empty() || !piece.content.empty()) tell_(piece);
  if (!text_at(*choice, "finish_reason").empty()) done_ = true;
}

void AnswerStream::end() const {
  if (!done_) throw Error("it broke off", "the answer");
}

}  // namespace troupe::launch::chat
