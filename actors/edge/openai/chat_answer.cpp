#include "actors/edge/collected_choice.hpp"
#include "actors/edge/logprobs.hpp"
#include "actors/edge/openai/chunked_answer.hpp"

namespace troupe::actors::edge::openai {
namespace {

// The next part of a call; its name stands in the first.
Json function_chunk(const runtime::ToolCallDelta& call) {
  Json function = Json::object();
  if (!call.name.empty()) function["name"] = call.name;
  function["arguments"] = call.arguments;
  return function;
}

Json tool_call_chunk(const runtime::ToolCallDelta& call) {
  Json chunk = {{"index", call.index}};
  if (!call.id.empty()) {
    chunk["id"] = call.id;
    chunk["type"] = "function";
  }
  chunk["function"] = function_chunk(call);
  return chunk;
}

class ChatAnswer final : public ChunkedAnswer {
 public:
  ChatAnswer(AnswerIdentity identity, const AnswerOptions& options)
      : ChunkedAnswer(std::move(identity), options), begun_(options.choices), choices_(options.choices) {}

  std::optional<Json> chunk(const runtime::Delta& delta) override {
    const bool begun = begun_.at(std::size_t(delta.choice));
    Json message = Json::object();
    if (!begun) message = {{"role", "assistant"}, {"content", ""}};
    if (!delta.content.empty()) message["content"] = delta.content;
    if (options().include_reasoning && !delta.reasoning.empty()) {
      message["reasoning_content"] = delta.reasoning;
      message["reasoning"] = delta.reasoning;
    }
    add_calls(delta.tool_calls, message);
    Json logprobs = logprobs_object(delta.logprobs);
    const bool says = !message.empty() || !logprobs.is_null() || delta.ends();
    if (!says && !tells_ids(delta)) return std::nullopt;
    begun_[std::size_t(delta.choice)] = true;
    Json choice = {{"index", delta.choice},
                   {"delta", std::move(message)},
                   {"logprobs", std::move(logprobs)},
                   {"finish_reason", finish_reason(delta.finish)}};
    if (delta.ends()) choice["stop_reason"] = stop_reason(delta);
    if (options().return_token_ids) choice["token_ids"] = delta.token_ids;
    Json whole = object("chat.completion.chunk", Json::array({std::move(choice)}));
    if (options().return_token_ids && !begun) whole["prompt_token_ids"] = delta.prompt_token_ids;
    return whole;
  }

  Json usage_chunk(const runtime::Usage& usage) const override {
    Json chunk = object("chat.completion.chunk", Json::array());
    chunk["usage"] = usage_object(usage);
    return chunk;
  }

  void collect(runtime::Delta delta) override {
    CollectedChoice& choice = choices_.at(std::size_t(delta.choice));
    choice.add(std::move(delta));
  }

  Json whole(const runtime::Usage& usage) override {
    Json choices = Json::array();
    for (std::size_t i = 0; i < choices_.size(); ++i) {
      const CollectedChoice& each = choices_[i];
      choices.push_back({{"index", i},
                         {"message", message_object(each)},
                         {"logprobs", logprobs_object(each.logprobs)},
                         {"finish_reason", finish_reason(each.finish)},
                         {"stop_reason", stop_reason(each)}});
      if (options().return_token_ids) choices.back()["token_ids"] = each.token_ids;
    }
    Json answer = object("chat.completion", std::move(choices));
    answer["usage"] = usage_object(usage);
    if (!choices_.front().prompt_logprobs.empty())
      answer["prompt_logprobs"] = prompt_logprobs_array(choices_.front().prompt_logprobs);
    if (options().return_token_ids) answer["prompt_token_ids"] = choices_.front().prompt_token_ids;
    return answer;
  }

 private:
  // As OpenAI: who names what is called knows that it is.
  Json finish_reason(runtime::ChoiceEnd finish) const {
    if (finish != runtime::ChoiceEnd::tool_calls) return text_or_null(to_string(finish));
    if (options().named_call) return to_string(runtime::ChoiceEnd::stop);
    return options().older_calls ? "function_call" : to_string(finish);
  }

  void add_calls(const std::vector<runtime::ToolCallDelta>& calls, Json& message) const {
    for (const runtime::ToolCallDelta& call : calls) {
      if (!options().older_calls)
        message["tool_calls"].push_back(tool_call_chunk(call));
      else if (!message.contains("function_call"))
        message["function_call"] = function_chunk(call);
      else  // of the one call that such a request has
        message["function_call"]["arguments"].get_ref<std::string&>() += call.arguments;
    }
  }

  // Null when there are none: then none were asked for, or they are of thoughts that the client does not want.
  Json logprobs_object(std::vector<runtime::LogprobEntry> entries) const {
    if (!options().include_reasoning) std::erase_if(entries, &runtime::LogprobEntry::of_thoughts);
    if (entries.empty()) return nullptr;
    return {{"content", logprob_entries(entries, options().tokens_as_ids)}, {"refusal", nullptr}};
  }

  Json message_object(const CollectedChoice& choice) const {
    const bool calls_only = choice.content.empty() && !choice.tool_calls.empty();
    const Json reasoning = options().include_reasoning ? text_or_null(choice.reasoning) : Json();
    Json message = {{"role", "assistant"},
                    {"content", calls_only ? Json() : Json(choice.content)},
                    {"refusal", nullptr},
                    {"reasoning_content", reasoning},
                    {"reasoning", reasoning}};
    if (options().older_calls && !choice.tool_calls.empty()) {
      const runtime::ToolCallDelta& call = choice.tool_calls.front();
      message["function_call"] = {{"name", call.name}, {"arguments", call.arguments}};
      return message;
    }
    for (const runtime::ToolCallDelta& call : choice.tool_calls)
      message["tool_calls"].push_back({{"id", call.id},
                                       {"type", "function"},
                                       {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
    return message;
  }

  std::vector<bool> begun_;  // by choice: its role has been sent
  std::vector<CollectedChoice> choices_;
};

}  // namespace

std::unique_ptr<ChunkedAnswer> make_chat_answer(AnswerIdentity identity, const AnswerOptions& options) {
  return std::make_unique<ChatAnswer>(std::move(identity), options);
}

}  // namespace troupe::actors::edge::openai
