// How far one sequence's answer has come in its grammar. Its state is a function of the grammar and of the accepted
// tokens alone, so that any rank can build it again at any time. One owner, who may move it.
#pragma once

#include <cstdint>
#include <functional>
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

// Checks of itself that the engine may come by for one mask, or one token: 25 to 120 ms, where those of everyday grammars
// take less than a hundredth of it.
constexpr int most_engine_checks = 5'000'000;

class GrammarMatcher {
 public:
  explicit GrammarMatcher(std::shared_ptr<const CompiledGrammar> grammar);
  GrammarMatcher(GrammarMatcher&&) noexcept;
  GrammarMatcher& operator=(GrammarMatcher&&) noexcept;
  ~GrammarMatcher();

  // The answer goes on with a token. False, and nothing has changed: the grammar does not allow it here, or the answer
  // is over or spent.
  bool accept(TokenId token);
  // As if the last n accepted tokens had not been. n is at most accepted(). each_token: called behind every token that is
  // read again, all of them where the answer was spent.
  void rollback(
      std::int64_t n, const std::function<void()>& each_token = [] {});
  std::int64_t accepted() const { return accepted_; }

  // Which tokens may come next; mask has mask_words(vocab_size). False: all may, and the mask is left as it was. Where
  // the grammar is complete the ids that end an answer are among them, and where nothing else may come they alone. After the
  // end nothing may come, and neither where the answer is spent.
  bool fill(std::span<std::uint32_t> mask);

  bool complete() const;    // the answer may end here
  bool terminated() const;  // it has ended: the last token was one that ends answers
  // To say what may come next would take the engine more than most_engine_checks, or the last token did. So it is for
  // everybody who has the grammar and the tokens.
  bool spent() const { return !matcher_; }
  // It was spent by tokens that had not come, and has read the answer again. Others that may not come are better not tried:
  // they may lead there, too.
  bool begun_again() const { return begun_again_; }
  // What must come next, as the tokenizer writes it: at most so many tokens, up to where those that may come are not all
  // beginnings of one. A guess, since the same text may come in other tokens. Nothing once it has begun again. each_piece:
  // called behind every mask that this takes, as many as tokens and one, and behind what a rollback reads again.
  std::vector<TokenId> forced(
      std::size_t most, const std::function<void()>& each_piece = [] {});

 private:
  bool holds() const { return watch_ ? watch_->in_calls() : free_ >= 0; }  // the grammar, now
  // work: of the engine that is left, in its checks.
  bool accept(TokenId token, int& work);
  bool accept_free(TokenId token, int& work);
  bool accept_held(TokenId token, int& work);
  bool engine_accepts(TokenId token, int& work);
  bool ends_answers(TokenId token) const;
  bool fill(std::span<std::uint32_t> mask, int& work);
  void fill_free(std::span<std::uint32_t> mask) const;
  bool fill_held(std::span<std::uint32_t> mask, int& work);
  bool forbid_tag(std::span<std::uint32_t> mask, bool is_filled) const;
  const TokenTag* tag() const;
  void give_up(std::int64_t at);
  void begin_again(const std::function<void()>& each_token);

  std::shared_ptr<const CompiledGrammar> grammar_;
  std::unique_ptr<xgrammar::GrammarMatcher> matcher_;  // null: it has given up
  std::vector<TokenId> held_;                          // the tokens that it has accepted, or gave up at
  std::int64_t given_up_at_ = -1;                      // behind so many accepted tokens
  bool begun_again_ = false;
  std::vector<std::uint8_t> matching_{0};  // bytes of the tag that may not be spelled out, behind each token
  std::int64_t accepted_ = 0;
  std::int64_t free_ = -1;  // how many came before the grammar began to hold; -1: it does not yet
  std::optional<CallWatch>
      watch_;  // of an answer that may call tools, which says instead when the grammar holds
  // What may come behind the first kept_at_ tokens, which is asked for again when a row is sampled there. -1: unknown.
  std::int64_t kept_at_ = -1;
  std::vector<std::uint32_t> kept_;
};

}  // namespace troupe::model
