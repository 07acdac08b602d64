// A grammar made ready for a vocabulary: for each of its states, which tokens may come. Immutable and shared; any
// thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "model/grammar/call_watch.hpp"
#include "model/grammar/tag_letters.hpp"
#include "model/tokenizer/tokenizer.hpp"
#include "runtime/base/ids.hpp"

namespace xgrammar {
class CompiledGrammar;
}

namespace troupe::model {

class CompiledGrammar {
 public:
  // tokenizer: of the vocabulary; outlives this. after: see GrammarSpec; nothing: the grammar holds from the beginning.
  // opening: of calls that may stand in any text, and that alone the grammar is of; `after` ends its thoughts then.
  // of_calls: stands in the ends of a call, or of its arguments. vocab_size: logits of a row.
  CompiledGrammar(const xgrammar::CompiledGrammar& masks, const Tokenizer& tokenizer,
                  std::optional<TokenId> after, std::optional<CallOpening> opening,
                  std::optional<TokenId> of_calls, std::int64_t vocab_size);
  ~CompiledGrammar();
  CompiledGrammar(const CompiledGrammar&) = delete;
  CompiledGrammar& operator=(const CompiledGrammar&) = delete;

  std::size_t bytes() const { return bytes_; }  // of memory, about
  std::int64_t vocab_size() const { return vocab_size_; }
  std::optional<TokenId> after() const { return after_; }
  const std::optional<CallOpening>& opening() const { return opening_; }
  // What may come as its token only, since the output's parser goes by letters: before the grammar holds what it waits for,
  // and where it holds what ends a call. Null: nothing.
  const TokenTag* tag_before() const { return before_ ? &*before_ : nullptr; }
  const TokenTag* tag_within() const { return within_ ? &*within_ : nullptr; }
  // What an answer may begin with so that the grammar holds from there on.
  std::vector<TokenId> lead_in() const;
  const xgrammar::CompiledGrammar& masks() const { return *masks_; }
  const Tokenizer& tokenizer() const { return tokenizer_; }

 private:
  const std::unique_ptr<const xgrammar::CompiledGrammar> masks_;
  const Tokenizer& tokenizer_;
  const std::optional<TokenId> after_;
  const std::optional<CallOpening> opening_;
  std::optional<TokenTag> before_, within_;
  const std::int64_t vocab_size_;
  std::size_t bytes_;
};

}  // namespace troupe::model
