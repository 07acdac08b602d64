#include "model/grammar/grammar_matcher.hpp"

#include <xgrammar/matcher.h>

#include <algorithm>

#include "runtime/base/error.hpp"

namespace troupe::model {

GrammarMatcher::GrammarMatcher(std::shared_ptr<const CompiledGrammar> grammar)
    : grammar_(std::move(grammar)),
      matcher_(std::make_unique<xgrammar::GrammarMatcher>(grammar_->masks())),
      free_(grammar_->after() ? -1 : 0) {}
GrammarMatcher::GrammarMatcher(GrammarMatcher&&) noexcept = default;
GrammarMatcher& GrammarMatcher::operator=(GrammarMatcher&&) noexcept = default;
GrammarMatcher::~GrammarMatcher() = default;

bool GrammarMatcher::accept(TokenId token) {
  if (!holds()) {
    if (token < 0 || token >= grammar_->vocab_size() || ends_answers(token)) return false;
    ++accepted_;
    if (token == grammar_->after()) free_ = accepted_;
    return true;
  }
  if (terminated() || !matcher_->AcceptToken(token)) return false;
  ++accepted_;
  return true;
}

void GrammarMatcher::rollback(std::int64_t n) {
  CHECK(0 <= n && n <= accepted_, "a matcher is rolled back further than it has come");
  if (holds()) matcher_->Rollback(int(std::min(n, accepted_ - free_)));
  accepted_ -= n;
  if (grammar_->after() && accepted_ < free_) free_ = -1;
}

bool GrammarMatcher::fill(std::span<std::uint32_t> mask) {
  CHECK(mask.size() == mask_words(grammar_->vocab_size()), "a mask has one bit for each token");
  if (terminated()) {
    std::ranges::fill(mask, 0);
    return true;
  }
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
  std::ranges::fill(mask, ~std::uint32_t{0});
  if (const std::int64_t rest = grammar_->vocab_size() % 32) mask.back() = (std::uint32_t{1} << rest) - 1;
  for (const TokenId token : matcher_->GetStopTokenIds())
    mask[std::size_t(token) / 32] &= ~(std::uint32_t{1} << token % 32);
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

std::string GrammarMatcher::forced_text() {
  return holds() && !terminated() ? matcher_->FindJumpForwardString() : std::string();
}

}  // namespace troupe::model
