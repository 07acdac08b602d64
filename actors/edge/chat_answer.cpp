#include "actors/edge/answer.hpp"

namespace troupe::actors::edge {
namespace {

Json logprob_object(const LogprobToken& token) {
  Json bytes = Json::array();
  for (const unsigned char byte : token.bytes) bytes.push_back(byte);
  return {{"token", token_text(token.bytes)},
          {"logprob", finite_logprob(token.logprob)},
          {"bytes", std::move(bytes)}};
}

void append_logprobs(const std::vector<LogprobEntry>& entries, Json& content) {
  for (const LogprobEntry& entry : entries) {
    Json object = logprob_object(entry.chosen);
    object["top_logprobs"] = Json::array();
    for (const LogprobToken& each : entry.top) object["top_logprobs"].push_back(logprob_object(each));
    content.push_back(std::move(object));
  }
}

// Null when content is: then no logprobs were asked for.
Json logprobs_object(Json content) {
  if (content.is_null()) return nullptr;
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

Json text_or_null(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

Json tool_call_chunk(const ToolCallDelta& call) {
  Json chunk = {{"index", call.index}};
  Json function = Json::object();
  if (!call.id.empty()) {
    chunk["id"] = call.id;
    chunk["type"] = "function";
  }
  if (!call.name.empty()) function["name"] = call.name;
  function["arguments"] = call.arguments;
  chunk["function"] = std::move(function);
  return chunk;
}

class ChatAnswer final : public Answer {
 public:
  ChatAnswer(AnswerIdentity identity, std::size_t choices, bool include_reasoning)
      : identity_(std::move(identity)), include_reasoning_(include_reasoning), choices_(choices) {}

  std::optional<Json> chunk(const Delta& delta) override {
    Choice& choice = choices_.at(delta.choice);
    Json message = Json::object();
    if (!choice.begun) message = {{"role", "assistant"}, {"content", ""}};
    if (!delta.content.empty()) message["content"] = delta.content;
    if (include_reasoning_ && !delta.reasoning.empty()) {
      message["reasoning_content"] = delta.reasoning;
      message["reasoning"] = delta.reasoning;
    }
    for (const ToolCallDelta& call : delta.tool_calls) message["tool_calls"].push_back(tool_call_chunk(call));
    if (message.empty() && delta.logprobs.empty() && delta.finish_reason.empty()) return std::nullopt;
    choice.begun = true;
    Json logprobs;
    append_logprobs(delta.logprobs, logprobs);
    Json object = {{"index", delta.choice},
                   {"delta", std::move(message)},
                   {"logprobs", logprobs_object(std::move(logprobs))},
                   {"finish_reason", text_or_null(delta.finish_reason)}};
    if (!delta.finish_reason.empty()) object["stop_reason"] = text_or_null(delta.stop_reason);
    return answer_object(identity_, "chat.completion.chunk", Json::array({std::move(object)}));
  }

  Json usage_chunk(const Usage& usage) const override {
    Json chunk = answer_object(identity_, "chat.completion.chunk", Json::array());
    chunk["usage"] = usage_object(usage);
    return chunk;
  }

  void collect(Delta delta) override {
    Choice& choice = choices_.at(delta.choice);
    choice.content += delta.content;
    if (include_reasoning_) choice.reasoning += delta.reasoning;
    for (ToolCallDelta& call : delta.tool_calls) {
      CHECK(call.index >= 0 && std::size_t(call.index) <= choice.tool_calls.size());
      if (std::size_t(call.index) == choice.tool_calls.size()) choice.tool_calls.emplace_back();
      ToolCallDelta& so_far = choice.tool_calls[call.index];
      so_far.id += call.id;
      so_far.name += call.name;
      so_far.arguments += call.arguments;
    }
    append_logprobs(delta.logprobs, choice.logprobs);
    if (delta.finish_reason.empty()) return;
    choice.finish_reason = delta.finish_reason;
    choice.stop_reason = delta.stop_reason;
  }

  Json whole(const Usage& usage) override {
    Json choices = Json::array();
    for (std::size_t i = 0; i < choices_.size(); ++i)
      choices.push_back({{"index", i},
                         {"message", message_object(choices_[i])},
                         {"logprobs", logprobs_object(std::move(choices_[i].logprobs))},
                         {"finish_reason", choices_[i].finish_reason},
                         {"stop_reason", text_or_null(choices_[i].stop_reason)}});
    Json object = answer_object(identity_, "chat.completion", std::move(choices));
    object["usage"] = usage_object(usage);
    return object;
  }

 private:
  struct Choice {
    bool begun = false;  // its role has been sent
    std::string content, reasoning;
    std::vector<ToolCallDelta> tool_calls;  // by index, each whole so far
    Json logprobs;
    std::string finish_reason, stop_reason;
  };

  static Json message_object(const Choice& choice) {
    const bool calls_only = choice.content.empty() && !choice.tool_calls.empty();
    Json message = {{"role", "assistant"},
                    {"content", calls_only ? Json() : Json(choice.content)},
                    {"refusal", nullptr},
                    {"reasoning_content", text_or_null(choice.reasoning)},
                    {"reasoning", text_or_null(choice.reasoning)}};
    for (const ToolCallDelta& call : choice.tool_calls)
      message["tool_calls"].push_back({{"id", call.id},
                                       {"type", "function"},
                                       {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
    return message;
  }

  AnswerIdentity identity_;
  bool include_reasoning_;
  std::vector<Choice> choices_;
};

}  // namespace

std::unique_ptr<Answer> make_chat_answer(AnswerIdentity identity, std::size_t choices,
                                         bool include_reasoning) {
  return std::make_unique<ChatAnswer>(std::move(identity), choices, include_reasoning);
}

}  // namespace troupe::actors::edge
