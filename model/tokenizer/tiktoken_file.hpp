// Reads tiktoken's file of ranks (tiktoken.model), which Kimi K2 and Moonlight have in place of tokenizer.json. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "model/json/value.hpp"
#include "model/tokenizer/tokenizer_parts.hpp"

namespace troupe::model {

// Ids behind those of the file that are reserved for added tokens, whether they have a name or not.
constexpr int reserved_tiktoken_ids = 256;

// ranks: lines of a token's bytes in base64 and its rank, which is its id. config: of tokenizer_config.json, whose
// added_tokens_decoder has the added tokens. Throws Error that names the file and the line, or the field, at fault.
TokenizerParts parse_tiktoken(std::string_view ranks, const std::string& file, const JsonValue& config);

}  // namespace troupe::model
