// How far one sequence's answer has come in its grammar. Its state is a function of the grammar and of the accepted
// tokens alone, so that any rank can build it again at any time. One owner, who may move it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "model/grammar/call_watch.hpp"
#include "model/grammar/compiled_grammar.hpp"
#include "model/grammar/token_mask.hpp"

namespace xgrammar {
class GrammarMatcher;
}

namespace troupe::model {

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
  // What must come next, as the tokenizer writes it: at most so many tokens, up to where those that may come are not all
  // beginnings of one. A guess, since the same text may come in other tokens.
  std::vector<TokenId> forced(std::size_t most);

 private:
  bool holds() const { return watch_ ? watch_->in_calls() : free_ >= 0; }  // the grammar, now
  bool accept_free(TokenId token);
  bool ends_answers(TokenId token) const;
  void fill_free(std::span<std::uint32_t> mask) const;

  std::shared_ptr<const CompiledGrammar> grammar_;
  std::unique_ptr<xgrammar::GrammarMatcher> matcher_;
  std::int64_t accepted_ = 0;
  std::int64_t free_ = -1;  // how many came before the grammar began to hold; -1: it does not yet
  std::optional<CallWatch>
      watch_;  // of an answer that may call tools, which says instead when the grammar holds
  // What may come behind the first kept_at_ tokens, which is asked for again when a row is sampled there. -1: unknown.
  std::int64_t kept_at_ = -1;
  std::vector<std::uint32_t> kept_;
};

}  // namespace troupe::model
