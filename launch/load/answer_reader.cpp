#include "launch/load/answer_reader.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "launch/server_answer.hpp"

namespace troupe::launch::load {
namespace {

using nlohmann::ordered_json;

double seconds(Duration time) {
  return std::chrono::duration<double>(time).count();
}

// Every chunk of a completion brings a token, if only one without text; a chat's first and last may bring none.
bool brings_token(const ordered_json& choice) {
  if (!choice.is_object()) return false;
  const auto delta = choice.find("delta");
  if (delta == choice.end()) return true;
  const auto says = [&](const char* name) {
    const auto field = delta->find(name);
    return field != delta->end() && !field->is_null() && !field->empty() && *field != "";
  };
  return delta->is_object() &&
         (says("content") || says("reasoning") || says("reasoning_content") || says("tool_calls"));
}

}  // namespace

void AnswerReader::take(std::string_view bytes, TimePoint at) {
  events_.feed(bytes, [&](std::string_view data) { event(data, at); });
}

void AnswerReader::event(std::string_view data, TimePoint at) {
  if (data == "[DONE]") {
    done_ = true;
    return;
  }
  const ordered_json chunk = ordered_json::parse(data, nullptr, false);
  if (!chunk.is_object()) throw Error("an event is no JSON object", "the answer");
  if (has_error(chunk)) {
    const std::string reason = reason_of(chunk);
    throw Error("the server ended the stream" + reason, "the answer");
  }
  const auto choices = chunk.find("choices");
  if (choices != chunk.end() && choices->is_array() &&
      std::any_of(choices->begin(), choices->end(), brings_token))
    token(at);
  const auto usage = chunk.find("usage");
  if (usage == chunk.end() || !usage->is_object()) return;
  exchange_.prompt_len = usage->value("prompt_tokens", exchange_.prompt_len);
  exchange_.output_len = usage->value("completion_tokens", exchange_.output_len);
}

void AnswerReader::token(TimePoint at) {
  if (events_with_tokens_++ == 0)
    exchange_.ttft = seconds(at - sent_);
  else
    exchange_.itl.push_back(seconds(at - latest_));
  latest_ = at;
  exchange_.latency = seconds(at - sent_);
}

void AnswerReader::end() {
  if (!done_) throw Error("the answer ended without its [DONE]", "the answer");
  if (events_with_tokens_ == 0) throw Error("the answer brought no token", "the answer");
  if (exchange_.output_len == 0) exchange_.output_len = events_with_tokens_;  // a server that tells no usage
}

}  // namespace troupe::launch::load
