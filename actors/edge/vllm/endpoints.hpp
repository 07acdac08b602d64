// What vLLM's server has beside OpenAI's API: tokens of prompts and texts, and what watches a server. Any thread.
#pragma once

#include <span>

#include "actors/edge/protocol.hpp"

namespace troupe::actors::edge::vllm {

std::span<const Endpoint> endpoints();

// The tokens of a prompt or a chat; the text of tokens.
void tokenize_page(PageRequest request, std::function<void(Reply)> answer);
void detokenize_page(PageRequest request, std::function<void(Reply)> answer);

}  // namespace troupe::actors::edge::vllm
