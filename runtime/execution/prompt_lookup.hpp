// Drafts without a model (prompt lookup decoding; upstream's "ngram"): where a sequence's last tokens stand in it before,
// what followed them there may follow again.
#pragma once

#include <span>
#include <vector>

#include "runtime/base/ids.hpp"

namespace troupe::runtime {

// At most `most` tokens, from behind the latest earlier place of the longest of the last 4, 3 or 2 tokens; empty if there
// is none. Looks back over a bounded number of tokens.
std::vector<TokenId> prompt_lookup(std::span<const TokenId> tokens, std::int32_t most);

}  // namespace troupe::runtime
