#include "model/grammar/grammar_matcher.hpp"

#include <xgrammar/matcher.h>

#include <algorithm>

#include "model/grammar/forced_tokens.hpp"
#include "runtime/base/error.hpp"

namespace troupe::model {

GrammarMatcher::GrammarMatcher(std::shared_ptr<const CompiledGrammar> grammar)
    : grammar_(std::move(grammar)),
      matcher_(std::make_unique<xgrammar::GrammarMatcher>(grammar_->masks())),
      free_(grammar_->after() ? -1 : 0) {
  if (const auto& opening = grammar_->opening())
    watch_.emplace(*opening, grammar_->tokenizer(), grammar_->after().has_value());
}
GrammarMatcher::GrammarMatcher(GrammarMatcher&&) noexcept = default;
GrammarMatcher& GrammarMatcher::operator=(GrammarMatcher&&) noexcept = default;
GrammarMatcher::~GrammarMatcher() = default;

bool GrammarMatcher::accept(TokenId token) {
  if (!holds()) return accept_free(token);
  if (terminated() || !matcher_->AcceptToken(token)) return false;
  if (watch_) watch_->accept_of_calls(matcher_->IsCompleted());
  ++accepted_;
  return true;
}

bool GrammarMatcher::accept_free(TokenId token) {
  if (token < 0 || token >= grammar_->vocab_size()) return false;
  if (watch_) {
    if (!watch_->accept(token)) return false;
    const bool begins = !holds() || matcher_->AcceptToken(token);
    CHECK(begins, "calls may begin wherever there is text");
  } else if (ends_answers(token)) {
    return false;
  }
  ++accepted_;
  if (!watch_ && token == grammar_->after()) free_ = accepted_;
  return true;
}

void GrammarMatcher::rollback(std::int64_t n) {
  CHECK(0 <= n && n <= accepted_, "a matcher is rolled back further than it has come");
  const std::int64_t held = watch_ ? watch_->rollback(n) : holds() ? std::min(n, accepted_ - free_) : 0;
  if (held > 0) matcher_->Rollback(int(held));
  accepted_ -= n;
  if (accepted_ < kept_at_) kept_at_ = -1;
  if (grammar_->after() && accepted_ < free_) free_ = -1;
}

bool GrammarMatcher::fill(std::span<std::uint32_t> mask) {
  CHECK(mask.size() == mask_words(grammar_->vocab_size()), "a mask has one bit for each token");
  if (accepted_ == kept_at_) {
    std::ranges::copy(kept_, mask.begin());
    return true;
  }
  if (terminated()) {
    std::ranges::fill(mask, 0);
    return true;
  }
  if (!holds() && watch_) return watch_->fill(mask, grammar_->vocab_size());
  if (!holds()) {
    fill_free(mask);
    return true;
  }
  std::int64_t words = std::int64_t(mask.size());
  DLTensor tensor{.data = mask.data(),
                  .device = {kDLCPU, 0},
                  .ndim = 1,
                  .dtype = xgrammar::GetBitmaskDLType(),
                  .shape = &words,
                  .strides = nullptr,
                  .byte_offset = 0};
  return matcher_->FillNextTokenBitmask(&tensor);
}

// All tokens of the vocabulary but those that end answers.
void GrammarMatcher::fill_free(std::span<std::uint32_t> mask) const {
  allow_all(mask, grammar_->vocab_size());
  for (const TokenId token : matcher_->GetStopTokenIds()) forbid(mask, token);
}

bool GrammarMatcher::ends_answers(TokenId token) const {
  return std::ranges::count(matcher_->GetStopTokenIds(), token) > 0;
}

bool GrammarMatcher::complete() const {
  return holds() && matcher_->IsCompleted();
}

bool GrammarMatcher::terminated() const {
  return holds() && matcher_->IsTerminated();
}

// The engine can tell the text that must come, but walks on as long as there is any: a grammar without an end has no end.
std::vector<TokenId> GrammarMatcher::forced(std::size_t most) {
  if (!holds() || terminated()) return {};
  std::vector<std::uint32_t> mask(mask_words(grammar_->vocab_size()));
  if (!fill(mask)) return {};
  kept_ = mask;
  kept_at_ = accepted_;
  std::vector<TokenId> tokens;
  while (tokens.size() < most) {
    const auto token = only_token(mask, grammar_->tokenizer());
    if (!token || !accept(*token)) break;
    tokens.push_back(*token);
    if (terminated() || !fill(mask)) break;
  }
  rollback(std::ssize(tokens));
  tokens = as_written(tokens, grammar_->tokenizer());
  tokens.resize(std::min(tokens.size(), most));
  return tokens;
}

}  // namespace troupe::model
