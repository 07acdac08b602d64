// What a client asks of Anthropic's API, as a generation. Any thread.
#pragma once

#include "actors/edge/answer.hpp"
#include "config/edge_settings.hpp"

namespace troupe::actors::edge::anthropic {

Expected<ApiRequest> parse_messages_request(const Json& body, const ModelInfo& model,
                                            const config::RequestLimits& limits);

// Of a request whose tokens are to be counted: the prompt, and nothing of what is to be generated.
Expected<runtime::GenerationRequest> parse_prompt(const Json& body, const ModelInfo& model,
                                                  const config::RequestLimits& limits);

}  // namespace troupe::actors::edge::anthropic
