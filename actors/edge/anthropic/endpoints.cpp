#include "actors/edge/anthropic/endpoints.hpp"

#include <array>

#include "actors/edge/anthropic/messages_answer.hpp"
#include "actors/edge/anthropic/messages_request.hpp"

namespace troupe::actors::edge::anthropic {

std::span<const Endpoint> endpoints() {
  static constexpr std::array table{
      Endpoint{.path = "/v1/messages",
               .allow = post_only,
               .generation = parse_messages_request,
               .refusal = refusal_reply},
  };
  return table;
}

}  // namespace troupe::actors::edge::anthropic
