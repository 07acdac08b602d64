#include "model/grammar/compiled_grammar.hpp"

#include <xgrammar/compiler.h>

#include <utility>

namespace troupe::model {

CompiledGrammar::CompiledGrammar(const xgrammar::CompiledGrammar& masks, const Tokenizer& tokenizer,
                                 std::optional<TokenId> after, std::optional<CallOpening> opening,
                                 std::int64_t vocab_size)
    : masks_(std::make_unique<const xgrammar::CompiledGrammar>(masks)),
      tokenizer_(tokenizer),
      after_(after),
      opening_(std::move(opening)),
      vocab_size_(vocab_size),
      bytes_(masks.MemorySizeBytes()) {}

CompiledGrammar::~CompiledGrammar() = default;

std::vector<TokenId> CompiledGrammar::lead_in() const {
  std::vector<TokenId> tokens;
  if (after_) tokens.push_back(*after_);
  if (!opening_) return tokens;
  const auto text = OutputParser::openings_of_calls[opening_->form].substr(0, opening_->read);
  const auto opening = tokenizer_.encode(text).value();
  tokens.insert(tokens.end(), opening.begin(), opening.end());
  return tokens;
}

}  // namespace troupe::model
