#include "actors/edge/anthropic/endpoints.hpp"

#include <array>

#include "actors/edge/anthropic/messages_answer.hpp"
#include "actors/edge/anthropic/messages_request.hpp"

namespace troupe::actors::edge::anthropic {
namespace {

void count_tokens_page(PageRequest request, std::function<void(Reply)> answer) {
  auto prompt = parse_body(request.body, request.settings.request).and_then([&](const Json& body) {
    return parse_prompt(body, request.service.model(), request.settings.request);
  });
  if (!prompt) return answer(refusal_reply(prompt.error(), request.request_id));
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
               .refusal = refusal_reply},
      Endpoint{.path = "/v1/messages/count_tokens",
               .allow = post_only,
               .awaited_page = count_tokens_page,
               .refusal = refusal_reply},
  };
  return table;
}

}  // namespace troupe::actors::edge::anthropic
