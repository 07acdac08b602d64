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

// The model's name, which must be one that is served.
void read_model(RequestFields& fields, const ModelInfo& model, const config::RequestLimits& limits);

constexpr double max_temperature = 100;  // beyond it all tokens are alike

// From 0, which leaves the one most likely token, to 1.
std::optional<float> read_top_p(RequestFields& fields);

// Any integer of 64 bits; a negative one wraps around, so that each seed is its own. may_be_negative: false: or none.
std::optional<std::uint64_t> read_seed(RequestFields& fields, bool may_be_negative = true);

// A text or an array of texts, none of them empty; name is the field's.
std::vector<std::string> read_stop_strings(RequestFields& fields, std::string_view name,
                                           const config::RequestLimits& limits);

// Call once the prompts are known.
void check_choices(RequestFields& fields, const config::RequestLimits& limits, const ApiRequest& request);

// Array of token ids at value; name is the field's in messages.
std::vector<TokenId> read_token_ids(RequestFields& fields, std::string_view name, const Json& value);

}  // namespace troupe::actors::edge
