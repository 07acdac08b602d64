// A grammar made ready for a vocabulary: for each of its states, which tokens may come. Immutable and shared; any
// thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "runtime/base/ids.hpp"

namespace xgrammar {
class CompiledGrammar;
}

namespace troupe::model {

class CompiledGrammar {
 public:
  // after: see GrammarSpec; nothing: the grammar holds from the beginning. vocab_size: logits of a row.
  CompiledGrammar(const xgrammar::CompiledGrammar& masks, std::optional<TokenId> after,
                  std::int64_t vocab_size);
  ~CompiledGrammar();
  CompiledGrammar(const CompiledGrammar&) = delete;
  CompiledGrammar& operator=(const CompiledGrammar&) = delete;

  std::size_t bytes() const { return bytes_; }  // of memory, about
  std::int64_t vocab_size() const { return vocab_size_; }
  std::optional<TokenId> after() const { return after_; }
  const xgrammar::CompiledGrammar& masks() const { return *masks_; }

 private:
  const std::unique_ptr<const xgrammar::CompiledGrammar> masks_;
  const std::optional<TokenId> after_;
  const std::int64_t vocab_size_;
  const std::size_t bytes_;
};

}  // namespace troupe::model
