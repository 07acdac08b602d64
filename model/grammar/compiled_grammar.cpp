#include "model/grammar/compiled_grammar.hpp"

#include <xgrammar/compiler.h>

#include <utility>

namespace troupe::model {

CompiledGrammar::CompiledGrammar(const xgrammar::CompiledGrammar& masks, const Tokenizer& tokenizer,
                                 std::optional<TokenId> after, std::optional<CallOpening> opening,
                                 std::optional<TokenId> of_calls, std::int64_t vocab_size)
    : masks_(std::make_unique<const xgrammar::CompiledGrammar>(masks)),
      tokenizer_(tokenizer),
      after_(after),
      opening_(std::move(opening)),
      vocab_size_(vocab_size),
      bytes_(masks.MemorySizeBytes()) {
  if (after_ && !opening_) before_.emplace(*after_, tokenizer);  // a CallWatch reads letters, too
  if (of_calls) within_.emplace(*of_calls, tokenizer);
  if (before_) bytes_ += before_->bytes();
  if (within_) bytes_ += within_->bytes();
  if (opening_)
    for (const auto& each : opening_->completing) bytes_ += bytes_of(each);
}

CompiledGrammar::~CompiledGrammar() = default;

std::vector<TokenId> CompiledGrammar::lead_in() const {
  std::vector<TokenId> tokens;
  if (after_) tokens.push_back(*after_);
  if (!opening_) return tokens;
  const auto opening = tokenizer_.encode(opening_->text()).value();
  tokens.insert(tokens.end(), opening.begin(), opening.end());
  return tokens;
}

}  // namespace troupe::model
