// The API of text-generation-inference (TGI), as of its version 3: texts go on, token by token. Any thread.
#pragma once

#include <span>

#include "actors/edge/protocol.hpp"

namespace troupe::actors::edge::tgi {

std::span<const Endpoint> endpoints();

// Each has {"inputs": TEXT, "parameters": {...}}: told whole, told in a stream, or as its field "stream" says.
Expected<ApiRequest> parse_generate(const Json& body, const ModelInfo& model,
                                    const config::RequestLimits& limits);
Expected<ApiRequest> parse_generate_stream(const Json& body, const ModelInfo& model,
                                           const config::RequestLimits& limits);
Expected<ApiRequest> parse_either(const Json& body, const ModelInfo& model,
                                  const config::RequestLimits& limits);

// {"error", "error_type"}, with the statuses that TGI has for them.
Reply refusal_reply(const Refusal& refusal, const std::string& request_id);
Json error_object(const Refusal& refusal);

}  // namespace troupe::actors::edge::tgi
