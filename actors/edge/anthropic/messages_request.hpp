// What a client asks of Anthropic's API, as a generation. Any thread.
#pragma once

#include "actors/edge/answer.hpp"
#include "config/edge_settings.hpp"

namespace troupe::actors::edge::anthropic {

Expected<ApiRequest> parse_messages_request(const Json& body, const ModelInfo& model,
                                            const config::RequestLimits& limits);

// The prompt alone: of a request whose tokens are to be counted.
Expected<runtime::ChatPrompt> parse_prompt(const Json& body, const ModelInfo& model,
                                           const config::RequestLimits& limits);

}  // namespace troupe::actors::edge::anthropic
