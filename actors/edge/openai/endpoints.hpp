// OpenAI's API, with vLLM's extensions. Any thread.
#pragma once

#include <span>

#include "actors/edge/protocol.hpp"

namespace troupe::actors::edge::openai {

std::span<const Endpoint> endpoints();

Expected<ApiRequest> parse_chat_request(const Json& body, const ModelInfo& model,
                                        const config::RequestLimits& limits);
Expected<ApiRequest> parse_response_request(const Json& body, const ModelInfo& model,
                                            const config::RequestLimits& limits);
Expected<ApiRequest> parse_completion_request(const Json& body, const ModelInfo& model,
                                              const config::RequestLimits& limits);

}  // namespace troupe::actors::edge::openai
