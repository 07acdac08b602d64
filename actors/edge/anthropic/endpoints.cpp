#include "actors/edge/anthropic/endpoints.hpp"

#include <array>

#include "actors/edge/anthropic/messages_answer.hpp"
#include "actors/edge/anthropic/messages_request.hpp"
#include "actors/edge/callers/callers.hpp"

namespace troupe::actors::edge::anthropic {
namespace {

constexpr const char* example = R"({"model": "", "max_tokens": 16, "system": "Be brief.", "messages": [
    {"role": "user", "content": [{"type": "text", "text": "What is the weather in Lima?"}]},
    {"role": "assistant", "content": [{"type": "thinking", "thinking": "A tool knows.", "signature": ""},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Lima"}}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "Sunny.", "is_error": false}]}],
  "tools": [{"name": "weather", "description": "Of a city.", "input_schema": {
      "type": "object", "properties": {"city": {"type": "string"}}}}],
  "tool_choice": {"type": "auto", "disable_parallel_tool_use": false}, "thinking": {"type": "disabled"},
  "temperature": 0, "top_p": 1, "top_k": 0, "stop_sequences": ["END"], "metadata": {"user_id": "u"}})";

void count_tokens_page(PageRequest request, std::function<void(Reply)> answer) {
  auto prompt = parse_body(request.body, request.settings.request).and_then([&](const Json& body) {
    return parse_prompt(body, model_of_caller(request.service.model(), request.caller),
                        request.settings.request);
  });
  if (!prompt) return answer(refusal_reply(prompt.error(), request.request_id));
  prompt->caller = request.caller_name();
  request.service.tokenize(std::move(*prompt), [answer = std::move(answer),
                                                &id = request.request_id](const auto& tokens) {
    answer(tokens ? json_reply(200, {{"input_tokens", tokens->size()}}) : refusal_reply(tokens.error(), id));
  });
}

}  // namespace

std::span<const Endpoint> endpoints() {
  static constexpr std::array table{
      Endpoint{.path = "/v1/messages",
               .allow = post_only,
               .generation = parse_messages_request,
               .refusal = refusal_reply,
               .about = "The answer to a conversation.",
               .example = example},
      Endpoint{.path = "/v1/messages/count_tokens",
               .allow = post_only,
               .awaited_page = count_tokens_page,
               .refusal = refusal_reply,
               .about = "How many tokens a conversation has."},
  };
  return table;
}

}  // namespace troupe::actors::edge::anthropic
