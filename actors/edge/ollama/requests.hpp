// What a client asks of Ollama's API, as a generation; one without a prompt asks for the model to be loaded, and has no
// prompts. Any thread.
#pragma once

#include "actors/edge/answer.hpp"
#include "config/edge_settings.hpp"

namespace troupe::actors::edge::ollama {

// "messages", "tools"
Expected<ApiRequest> parse_chat_request(const Json& body, const ModelInfo& model,
                                        const config::RequestLimits& limits);
// "prompt", "system"
Expected<ApiRequest> parse_generate_request(const Json& body, const ModelInfo& model,
                                            const config::RequestLimits& limits);

}  // namespace troupe::actors::edge::ollama
