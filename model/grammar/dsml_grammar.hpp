// Calls of DeepSeek V3.2 (model/output/dsml_calls.hpp) for a tokenizer that has their marker. The engine writes their parameters
// with the marker as text, which a string among them could have, too: who reads the call would take it for the end of the
// parameter. Any thread.
#pragma once

#include "runtime/base/ids.hpp"

namespace xgrammar {
class Grammar;
}

namespace troupe::model {

// The same grammar, whose markers are the token; and its free strings are any text, instead of any bytes.
xgrammar::Grammar with_dsml_token(const xgrammar::Grammar& grammar, TokenId marker);

}  // namespace troupe::model
