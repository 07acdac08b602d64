// Log-probabilities as chats of OpenAI and Ollama and responses tell them. Any thread.
#pragma once

#include <string>
#include <vector>

#include "actors/edge/json_body.hpp"
#include "runtime/generation/request.hpp"

namespace troupe::actors::edge {

// as_id: "token_id:5", vLLM's return_tokens_as_token_ids.
std::string token_name(const runtime::LogprobToken& token, bool as_id);

// For each token {"token", "logprob", "bytes", "top_logprobs"}.
Json logprob_entries(const std::vector<runtime::LogprobEntry>& entries, bool tokens_as_ids = false);

}  // namespace troupe::actors::edge
