// Makes grammars ready for one model's vocabulary. Immutable; any thread, several at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "model/grammar/compiled_grammar.hpp"
#include "model/tokenizer/tokenizer.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/grammar_spec.hpp"

namespace xgrammar {
class TokenizerInfo;
}

namespace troupe::model {

class GrammarCompiler {
 public:
  // tokenizer outlives this and what it compiles. vocab_size: logits of a row; ids that the tokenizer does not have are never
  // allowed where a grammar holds. eos_ids: see TextModel; at least one, each ends an answer where the grammar may end.
  GrammarCompiler(const Tokenizer& tokenizer, std::int64_t vocab_size, std::span<const TokenId> eos_ids);
  ~GrammarCompiler();

  // Refuses what is no grammar, what the engine cannot hold an answer to, and what is too large, and says where: a
  // JSON pointer into the schema, or the position in a regex or grammar. Behind the deadline it is refused, too.
  Expected<std::shared_ptr<const CompiledGrammar>> compile(const GrammarSpec& spec, TimePoint deadline) const;
  // The same of a grammar that a client brings: refused, too, if its masks would halt the steps of others. Ranks, whose
  // clocks may differ, compile what was admitted.
  Expected<std::shared_ptr<const CompiledGrammar>> admit(const GrammarSpec& spec, TimePoint deadline) const;

 private:
  const Tokenizer& tokenizer_;
  const std::int64_t vocab_size_;
  const std::unique_ptr<const xgrammar::TokenizerInfo> vocabulary_;
};

}  // namespace troupe::model
