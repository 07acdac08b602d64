#include "runtime/execution/logit_state.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace troupe::runtime {
namespace {

constexpr float never = -std::numeric_limits<float>::infinity();

}  // namespace

LogitState::LogitState(LogitRules rules, std::shared_ptr<const model::CompiledGrammar> grammar,
                       std::int64_t vocab_size, TickBoard* ticks)
    : rules_(std::move(rules)),
      vocab_size_(vocab_size),
      ticks_(ticks),
      penalises_(rules_.repetition_penalty != 1 || rules_.presence_penalty != 0 ||
                 rules_.frequency_penalty != 0) {
  if (grammar) matcher_.emplace(std::move(grammar));
  if (!rules_.allowed->empty()) allow_only(*rules_.allowed, allowed_);
  for (const TokenBias& each : rules_.bias) edits_[slot(each.token)].bias = each.bias;
}

std::size_t LogitState::slot(TokenId token) {
  const auto [found, added] = slots_.try_emplace(token, edits_.size());
  if (added) edits_.push_back({.token = token});
  return found->second;
}

void LogitState::catch_up(std::span<const TokenId> tokens, std::int32_t prompt_tokens) {
  for (; taken_ < tokens.size(); ++taken_) take(tokens[taken_], std::int64_t(taken_) >= prompt_tokens);
}

void LogitState::take(TokenId token, bool output) {
  if (penalises_) {
    kernels::LogitEdit& edit = edits_[slot(token)];
    edit.seen = true;
    edit.count += output;
    if (!output) in_prompt_.insert(token);
  }
  if (token == rules_.begin_thinking && token != no_token)
    progress_.thinking = true, progress_.thought = 0;
  else if (token == rules_.end_thinking)
    progress_.thinking = false;
  else if (output && progress_.thinking)
    ++progress_.thought;
  if (!output) return;
  ++progress_.outputs;
  if (!rules_.bad_words->empty()) output_.push_back(token);
  if (!matcher_) return;
  matcher_->accept(token);
  matched();
}

void LogitState::matched() {
  if (ticks_) ticks_->piece_done();
}

// The last token that was taken, an output, had not come; before: what was so then. The matcher goes back by itself.
void LogitState::take_back(TokenId token, const Progress& before) {
  progress_ = before;
  if (!rules_.bad_words->empty()) output_.pop_back();
  if (!penalises_) return;
  const std::size_t at = slot(token);
  kernels::LogitEdit& edit = edits_[at];
  --edit.count;
  edit.seen = edit.count > 0 || in_prompt_.contains(token);
  if (edit.seen || edit.bias != 0 || at + 1 < edits_.size()) return;
  edits_.pop_back();  // it says nothing, and was made for the draft
  slots_.erase(token);
}

void LogitState::fill_drafts(std::span<const TokenId> drafts, std::span<RowChanges> out) {
  std::vector<Progress> before;
  const std::int64_t accepted = matcher_ ? matcher_->accepted() : 0;
  bool follows = !matcher_ || !(matcher_->begun_again() || matcher_->spent());
  followed_drafts_ = 0;
  for (std::size_t i = 0; follows && i < drafts.size(); ++i) {
    before.push_back(progress_);
    take(drafts[i], true);
    fill(out[i]);
    follows = !out[i].spent;
    followed_drafts_ += follows;
  }
  if (matcher_) matcher_->rollback(matcher_->accepted() - accepted, [this] { matched(); });
  for (std::size_t i = before.size(); i-- > 0;) take_back(drafts[i], before[i]);
}

std::vector<TokenId> LogitState::forced(std::size_t most) {
  return matcher_ ? matcher_->forced(most, [this] { matched(); }) : std::vector<TokenId>{};
}

// Where the grammar is complete an answer may end, whatever its length.
bool LogitState::may_not_end() const {
  return progress_.outputs < rules_.min_tokens && !(matcher_ && matcher_->complete());
}

bool LogitState::thought_enough() const {
  return rules_.thinking_budget >= 0 && progress_.thinking && progress_.thought >= rules_.thinking_budget;
}

void LogitState::ban(TokenId token, std::vector<kernels::LogitEdit>& edits) {
  if (const auto found = slots_.find(token); found != slots_.end()) {
    edits[found->second].bias = never;
    return;
  }
  const std::span banned = std::span(edits).subspan(edits_.size());
  if (std::ranges::find(banned, token, &kernels::LogitEdit::token) == banned.end())
    edits.push_back({.token = token, .bias = never});
}

void LogitState::allow_only(std::span<const TokenId> tokens, std::vector<std::uint32_t>& mask) const {
  mask.assign(model::mask_words(vocab_size_), 0);
  for (const TokenId token : tokens)
    if (token >= 0 && token < vocab_size_) mask[std::size_t(token) / 32] |= std::uint32_t(1) << (token % 32);
}

void LogitState::fill_mask(std::vector<std::uint32_t>& mask) {
  if (thought_enough()) return allow_only({&rules_.end_thinking, 1}, mask);
  mask = allowed_;
  if (!matcher_) return;
  if (matcher_->terminated())
    return allow_only(rules_.ends, mask);  // who goes on past the end gets no more than it
  std::vector<std::uint32_t> of_grammar(model::mask_words(vocab_size_));
  const bool holds = matcher_->fill(of_grammar);
  matched();
  if (!holds) return;
  if (mask.empty()) return mask.swap(of_grammar);
  for (std::size_t i = 0; i < mask.size(); ++i) mask[i] &= of_grammar[i];
}

void LogitState::fill(RowChanges& out) {
  fill_mask(out.allowed);
  out.spent = matcher_ && matcher_->spent();
  out.edits = edits_;
  if (may_not_end())
    for (const TokenId token : rules_.ends) ban(token, out.edits);
  for (const std::vector<TokenId>& word : *rules_.bad_words) {
    const std::span begun = std::span(word).first(word.size() - 1);
    if (output_.size() >= begun.size() &&
        std::equal(begun.begin(), begun.end(), output_.end() - std::ssize(begun)))
      ban(word.back(), out.edits);
  }
  out.changes = {out.allowed, out.edits, rules_.repetition_penalty, rules_.presence_penalty,
                 rules_.frequency_penalty};
}

}  // namespace troupe::runtime
