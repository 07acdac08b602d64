// Where a grammar leaves no choice: the token that comes there, and how the tokenizer writes what comes. Any thread.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "model/tokenizer/tokenizer.hpp"

namespace troupe::model {

// mask: as in GrammarMatcher. The token that may come, or the longest one if all others are beginnings of it; nothing where
// there is a choice, or nothing may come.
std::optional<TokenId> only_token(std::span<const std::uint32_t> mask, const Tokenizer& tokenizer);

// The same text as the tokenizer cuts it, which is how a model has learnt to write it. Added tokens stay what they are,
// and so does a text that begins or ends within a character.
std::vector<TokenId> as_written(std::span<const TokenId> tokens, const Tokenizer& tokenizer);

}  // namespace troupe::model
