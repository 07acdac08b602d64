// How far one sequence's answer has come in its grammar. Its state is a function of the grammar and of the accepted
// tokens alone, so that any rank can build it again at any time. One owner, who may move it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "model/grammar/compiled_grammar.hpp"

namespace xgrammar {
class GrammarMatcher;
}

namespace troupe::model {

// Words of a mask over a row's logits: token t is bit t % 32 of word t / 32, set if t may come.
constexpr std::size_t mask_words(std::int64_t vocab_size) {
  return std::size_t(vocab_size + 31) / 32;
}

class GrammarMatcher {
 public:
  explicit GrammarMatcher(std::shared_ptr<const CompiledGrammar> grammar);
  GrammarMatcher(GrammarMatcher&&) noexcept;
  GrammarMatcher& operator=(GrammarMatcher&&) noexcept;
  ~GrammarMatcher();

  // The answer goes on with a token. False, and nothing has changed: the grammar does not allow it here, or the answer
  // is over.
  bool accept(TokenId token);
  // As if the last n accepted tokens had not been. n is at most accepted().
  void rollback(std::int64_t n);
  std::int64_t accepted() const { return accepted_; }

  // Which tokens may come next; mask has mask_words(vocab_size). False: all may, and the mask is left as it was. Where
  // the grammar is complete the ids that end an answer are among them, and where nothing else may come they alone. After the
  // end nothing may come.
  bool fill(std::span<std::uint32_t> mask);

  bool complete() const;    // the answer may end here
  bool terminated() const;  // it has ended: the last token was one that ends answers
  // The text that must come next, whatever is sampled; empty where there is a choice.
  std::string forced_text();

 private:
  bool holds() const { return free_ >= 0; }  // the grammar, by now
  bool ends_answers(TokenId token) const;
  void fill_free(std::span<std::uint32_t> mask) const;

  std::shared_ptr<const CompiledGrammar> grammar_;
  std::unique_ptr<xgrammar::GrammarMatcher> matcher_;
  std::int64_t accepted_ = 0;
  std::int64_t free_ = -1;  // how many came before the grammar began to hold; -1: it does not yet
};

}  // namespace troupe::model
