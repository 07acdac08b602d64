#include "model/grammar/grammar_matcher.hpp"

#include <xgrammar/matcher.h>

#include <algorithm>

#include "model/grammar/engine_bounds.hpp"
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

// What the output's parser would take for that tag, were it spelled out.
const TokenTag* GrammarMatcher::tag() const {
  if (holds()) return grammar_->tag_within();
  return watch_ ? nullptr : grammar_->tag_before();
}

bool GrammarMatcher::accept(TokenId token) {
  int work = most_engine_checks;
  return accept(token, work);
}

bool GrammarMatcher::accept(TokenId token, int& work) {
  if (spent() || token < 0 || token >= grammar_->vocab_size()) return false;
  const TokenTag* const now = tag();
  std::uint8_t matching = now ? now->behind(matching_.back(), token) : std::uint8_t{0};
  if (now && now->written(matching)) return false;
  if (!(holds() ? accept_held(token, work) : accept_free(token, work))) return false;
  if (tag() != now) matching = 0;
  matching_.push_back(matching);
  return true;
}

// The engine goes on with a token. Where it gives up at it, the token counts all the same: others have drawn it.
bool GrammarMatcher::engine_accepts(TokenId token, int& work) {
  try {
    const WorkBudget budget(work);
    if (!matcher_->AcceptToken(token)) return false;
  } catch (const WorkSpent&) {
    give_up(accepted_ + 1);
  }
  held_.push_back(token);
  return true;
}

bool GrammarMatcher::accept_held(TokenId token, int& work) {
  if (terminated() || !engine_accepts(token, work)) return false;
  if (watch_) watch_->accept_of_calls(!spent() && matcher_->IsCompleted());
  ++accepted_;
  return true;
}

bool GrammarMatcher::accept_free(TokenId token, int& work) {
  if (watch_) {
    if (!watch_->accept(token)) return false;
    const bool begins = !holds() || engine_accepts(token, work);
    CHECK(begins, "calls may begin wherever there is text");
  } else if (ends_answers(token)) {
    return false;
  }
  ++accepted_;
  if (!watch_ && token == grammar_->after()) free_ = accepted_;
  return true;
}

void GrammarMatcher::rollback(std::int64_t n, const std::function<void()>& each_token) {
  CHECK(0 <= n && n <= accepted_, "a matcher is rolled back further than it has come");
  const std::int64_t held = watch_ ? watch_->rollback(n) : holds() ? std::min(n, accepted_ - free_) : 0;
  held_.resize(held_.size() - std::size_t(held));
  matching_.resize(matching_.size() - std::size_t(n));
  if (held > 0 && matcher_) matcher_->Rollback(int(held));
  accepted_ -= n;
  if (accepted_ < kept_at_) kept_at_ = -1;
  if (grammar_->after() && accepted_ < free_) free_ = -1;
  if (accepted_ < given_up_at_) begin_again(each_token);
}

// It was left in the middle of its work.
void GrammarMatcher::give_up(std::int64_t at) {
  matcher_.reset();
  given_up_at_ = at;
}

void GrammarMatcher::begin_again(const std::function<void()>& each_token) {
  given_up_at_ = -1;
  begun_again_ = true;
  matcher_ = std::make_unique<xgrammar::GrammarMatcher>(grammar_->masks());
  for (const TokenId token : held_) {
    const bool accepted = matcher_->AcceptToken(token);
    CHECK(accepted, "an engine that has accepted a token does so again");
    each_token();
  }
}

bool GrammarMatcher::fill(std::span<std::uint32_t> mask) {
  int work = most_engine_checks;
  return fill(mask, work);
}

bool GrammarMatcher::fill(std::span<std::uint32_t> mask, int& work) {
  CHECK(mask.size() == mask_words(grammar_->vocab_size()), "a mask has one bit for each token");
  if (accepted_ == kept_at_) {
    std::ranges::copy(kept_, mask.begin());
    return true;
  }
  if (spent() || terminated()) {
    std::ranges::fill(mask, 0);
    return true;
  }
  if (holds()) return fill_held(mask, work);
  if (watch_) return watch_->fill(mask, grammar_->vocab_size());
  fill_free(mask);
  return true;
}

bool GrammarMatcher::fill_held(std::span<std::uint32_t> mask, int& work) {
  std::int64_t words = std::int64_t(mask.size());
  DLTensor tensor{.data = mask.data(),
                  .device = {kDLCPU, 0},
                  .ndim = 1,
                  .dtype = xgrammar::GetBitmaskDLType(),
                  .shape = &words,
                  .strides = nullptr,
                  .byte_offset = 0};
  try {
    const WorkBudget budget(work);
    return forbid_tag(mask, matcher_->FillNextTokenBitmask(&tensor));
  } catch (const WorkSpent&) {
    give_up(accepted_);
    std::ranges::fill(mask, 0);
    return true;
  }
}

// All tokens of the vocabulary but those that end answers, or would spell out what the grammar waits for.
void GrammarMatcher::fill_free(std::span<std::uint32_t> mask) const {
  allow_all(mask, grammar_->vocab_size());
  for (const TokenId token : matcher_->GetStopTokenIds()) forbid(mask, token);
  forbid_tag(mask, true);
}

// Whether the mask says more than that all may come.
bool GrammarMatcher::forbid_tag(std::span<std::uint32_t> mask, bool is_filled) const {
  const TokenTag* const now = tag();
  if (!now || now->completing(matching_.back()).empty()) return is_filled;
  if (!is_filled) allow_all(mask, grammar_->vocab_size());
  for (const TokenId token : now->completing(matching_.back()))
    if (token < grammar_->vocab_size()) forbid(mask, token);
  return true;
}

bool GrammarMatcher::ends_answers(TokenId token) const {
  return std::ranges::count(matcher_->GetStopTokenIds(), token) > 0;
}

bool GrammarMatcher::complete() const {
  return holds() && !spent() && matcher_->IsCompleted();
}

bool GrammarMatcher::terminated() const {
  return holds() && !spent() && matcher_->IsTerminated();
}

// The engine can tell the text that must come, but walks on as long as there is any: a grammar without an end has no end.
// What is tried behind the first mask, which is needed anyway, may cost as much as one.
std::vector<TokenId> GrammarMatcher::forced(std::size_t most, const std::function<void()>& each_piece) {
  if (!holds() || spent() || terminated() || begun_again_) return {};
  std::vector<std::uint32_t> mask(mask_words(grammar_->vocab_size()));
  if (!fill(mask)) return {};
  each_piece();
  kept_ = mask;
  kept_at_ = accepted_;
  std::vector<TokenId> tokens;
  int work = most_engine_checks;
  while (tokens.size() < most) {
    const auto token = only_token(mask, grammar_->tokenizer());
    if (!token || !accept(*token, work)) break;
    tokens.push_back(*token);
    if (terminated() || !fill(mask, work)) break;
    each_piece();
  }
  rollback(std::ssize(tokens), each_piece);
  tokens = as_written(tokens, grammar_->tokenizer());
  tokens.resize(std::min(tokens.size(), most));
  return tokens;
}

}  // namespace troupe::model
