#include "model/grammar/compiled_grammar.hpp"

#include <xgrammar/compiler.h>

namespace troupe::model {

CompiledGrammar::CompiledGrammar(const xgrammar::CompiledGrammar& masks, std::optional<TokenId> after,
                                 std::int64_t vocab_size)
    : masks_(std::make_unique<const xgrammar::CompiledGrammar>(masks)),
      after_(after),
      vocab_size_(vocab_size),
      bytes_(masks.MemorySizeBytes()) {}

CompiledGrammar::~CompiledGrammar() = default;

}  // namespace troupe::model
