#include "actors/edge/answer.hpp"

namespace troupe::actors::edge {
namespace {

Json logprob_object(const runtime::LogprobToken& token) {
  Json bytes = Json::array();
  for (const unsigned char byte : token.bytes) bytes.push_back(byte);
  return {{"token", token_text(token.bytes)},
          {"logprob", finite_logprob(token.logprob)},
          {"bytes", std::move(bytes)}};
}

void append_logprobs(const std::vector<runtime::LogprobEntry>& entries, Json& content) {
  for (const runtime::LogprobEntry& entry : entries) {
    Json object = logprob_object(entry.chosen);
    object["top_logprobs"] = Json::array();
    for (const runtime::LogprobToken& each : entry.top)
      object["top_logprobs"].push_back(logprob_object(each));
    content.push_back(std::move(object));
  }
}

// Null when content is: then no logprobs were asked for.
Json logprobs_object(Json content) {
  if (content.is_null()) return nullptr;
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

Json tool_call_chunk(const runtime::ToolCallDelta& call) {
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

  std::optional<Json> chunk(const runtime::Delta& delta) override {
    Choice& choice = choices_.at(delta.choice);
    Json message = Json::object();
    if (!choice.begun) message = {{"role", "assistant"}, {"content", ""}};
    if (!delta.content.empty()) message["content"] = delta.content;
    if (include_reasoning_ && !delta.reasoning.empty()) {
      message["reasoning_content"] = delta.reasoning;
      message["reasoning"] = delta.reasoning;
    }
    for (const runtime::ToolCallDelta& call : delta.tool_calls)
      message["tool_calls"].push_back(tool_call_chunk(call));
    if (message.empty() && delta.logprobs.empty() && !delta.ends()) return std::nullopt;
    choice.begun = true;
    Json logprobs;
    append_logprobs(delta.logprobs, logprobs);
    Json object = {{"index", delta.choice},
                   {"delta", std::move(message)},
                   {"logprobs", logprobs_object(std::move(logprobs))},
                   {"finish_reason", text_or_null(to_string(delta.finish))}};
    if (delta.ends()) object["stop_reason"] = text_or_null(delta.stop_reason);
    return answer_object(identity_, "chat.completion.chunk", Json::array({std::move(object)}));
  }

  Json usage_chunk(const runtime::Usage& usage) const override {
    Json chunk = answer_object(identity_, "chat.completion.chunk", Json::array());
    chunk["usage"] = usage_object(usage);
    return chunk;
  }

  void collect(runtime::Delta delta) override {
    Choice& choice = choices_.at(delta.choice);
    choice.content += delta.content;
    if (include_reasoning_) choice.reasoning += delta.reasoning;
    for (runtime::ToolCallDelta& call : delta.tool_calls) {
      CHECK(call.index >= 0 && std::size_t(call.index) <= choice.tool_calls.size());
      if (std::size_t(call.index) == choice.tool_calls.size()) choice.tool_calls.emplace_back();
      runtime::ToolCallDelta& so_far = choice.tool_calls[call.index];
      so_far.id += call.id;
      so_far.name += call.name;
      so_far.arguments += call.arguments;
    }
    append_logprobs(delta.logprobs, choice.logprobs);
    if (!delta.ends()) return;
    choice.finish = delta.finish;
    choice.stop_reason = delta.stop_reason;
  }

  Json whole(const runtime::Usage& usage) override {
    Json choices = Json::array();
    for (std::size_t i = 0; i < choices_.size(); ++i)
      choices.push_back({{"index", i},
                         {"message", message_object(choices_[i])},
                         {"logprobs", logprobs_object(std::move(choices_[i].logprobs))},
                         {"finish_reason", text_or_null(to_string(choices_[i].finish))},
                         {"stop_reason", text_or_null(choices_[i].stop_reason)}});
    Json object = answer_object(identity_, "chat.completion", std::move(choices));
    object["usage"] = usage_object(usage);
    return object;
  }

 private:
  struct Choice {
    bool begun = false;  // its role has been sent
    std::string content, reasoning;
    std::vector<runtime::ToolCallDelta> tool_calls;  // by index, each whole so far
    Json logprobs;
    runtime::ChoiceEnd finish = runtime::ChoiceEnd::none;
    std::string stop_reason;
  };

  static Json message_object(const Choice& choice) {
    const bool calls_only = choice.content.empty() && !choice.tool_calls.empty();
    Json message = {{"role", "assistant"},
                    {"content", calls_only ? Json() : Json(choice.content)},
                    {"refusal", nullptr},
                    {"reasoning_content", text_or_null(choice.reasoning)},
                    {"reasoning", text_or_null(choice.reasoning)}};
    for (const runtime::ToolCallDelta& call : choice.tool_calls)
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
