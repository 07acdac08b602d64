// A spec in the engine's words. Any thread.
#pragma once

#include <memory>

#include "model/tokenizer/tokenizer.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/grammar_spec.hpp"

namespace xgrammar {
class Grammar;
}

namespace troupe::model {

constexpr std::size_t max_complaint_bytes = 200;  // of the engine's own, which may quote a whole schema

// Refuses what is no grammar and what the engine would leave out a part of, and says where. The tokenizer tells which
// markers of tool calls are tokens.
Expected<std::shared_ptr<const xgrammar::Grammar>> engine_grammar(const GrammarSpec& spec,
                                                                  const Tokenizer& tokenizer);

}  // namespace troupe::model
