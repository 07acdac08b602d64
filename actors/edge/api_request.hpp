// What a client asked of an inference endpoint, checked. Any thread.
#pragma once

#include <cstddef>

#include "actors/edge/json_body.hpp"
#include "actors/service.hpp"
#include "config/edge_settings.hpp"

namespace troupe::actors::edge {

struct ApiRequest {
  runtime::GenerationRequest generation;  // without its id
  bool stream = false;
  bool include_usage = false;     // in a stream: a last chunk says the usage
  bool include_reasoning = true;  // chat: false drops the thoughts from the answer

  std::size_t choices() const { return generation.prompts.size() * std::size_t(generation.n); }
};

// Both read a parsed body. Fields that are unknown are ignored, as servers of this API do; a known one that
// would change the answer and cannot be honoured is refused by its name. An unknown model is a 404.
Expected<ApiRequest> parse_chat_request(const Json& body, const ModelInfo& model,
                                        const config::RequestLimits& limits);
Expected<ApiRequest> parse_completion_request(const Json& body, const ModelInfo& model,
                                              const config::RequestLimits& limits);

}  // namespace troupe::actors::edge
