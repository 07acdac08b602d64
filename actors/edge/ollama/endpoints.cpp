#include "actors/edge/ollama/endpoints.hpp"

#include <array>

#include "actors/edge/ollama/answer.hpp"
#include "actors/edge/ollama/model_pages.hpp"
#include "actors/edge/ollama/requests.hpp"

namespace troupe::actors::edge::ollama {

std::span<const Endpoint> endpoints() {
  static constexpr std::array table{
      Endpoint{.path = "/", .needs_key = false, .page = running_page, .refusal = refusal_reply},
      Endpoint{.path = "/api/chat",
               .allow = post_only,
               .generation = parse_chat_request,
               .refusal = refusal_reply},
      Endpoint{.path = "/api/generate",
               .allow = post_only,
               .generation = parse_generate_request,
               .refusal = refusal_reply},
      Endpoint{.path = "/api/tags", .page = tags_page, .refusal = refusal_reply},
      Endpoint{.path = "/api/show", .allow = post_only, .page = show_page, .refusal = refusal_reply},
      Endpoint{.path = "/api/ps", .page = ps_page, .refusal = refusal_reply},
      Endpoint{.path = "/api/version", .needs_key = false, .page = version_page, .refusal = refusal_reply},
      Endpoint{.path = "/api/embed", .allow = post_only, .page = embed_page, .refusal = refusal_reply},
      Endpoint{.path = "/api/embeddings", .allow = post_only, .page = embed_page, .refusal = refusal_reply},
  };
  return table;
}

}  // namespace troupe::actors::edge::ollama
