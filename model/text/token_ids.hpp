// Fields such as eos_token_id, which hold one token id or a list of them. Any thread.
#pragma once

#include <vector>

#include "model/json/value.hpp"
#include "runtime/base/ids.hpp"

namespace troupe::model {

constexpr std::size_t max_token_id_list = 64;

// Empty when absent. Throws Error for anything else than
// ids in [0, vocab_size), and for a list that is too long.
std::vector<TokenId> read_token_ids(const JsonValue& field, std::int64_t vocab_size);

}  // namespace troupe::model
