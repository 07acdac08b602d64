// The fields that chats and plain completions share, under vLLM's names. Any thread.
#pragma once

#include "actors/edge/answer.hpp"
#include "actors/edge/request_fields.hpp"

namespace troupe::actors::edge {

// Fills all of request but the prompts, logprobs and echo; what is wrong is kept in fields. fewest_tokens: that may be
// asked for.
void read_generation_fields(RequestFields& fields, const ModelInfo& model,
                            const config::RequestLimits& limits, std::int64_t fewest_tokens,
                            ApiRequest& request);

// Call once the prompts are known.
void check_choices(RequestFields& fields, const config::RequestLimits& limits, const ApiRequest& request);

// Array of token ids at value; name is the field's in messages.
std::vector<TokenId> read_token_ids(RequestFields& fields, std::string_view name, const Json& value);

}  // namespace troupe::actors::edge
