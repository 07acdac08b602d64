// How far a sequence has come in what its rules do to its logits. A function of the rules and of the sequence's tokens
// alone: any rank builds it again from what a Begin tells, after preemption, a replay or a fault. One owner.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "kernels/ops.hpp"
#include "model/grammar/grammar_matcher.hpp"
#include "runtime/base/ticks.hpp"

namespace troupe::runtime {

// What a row's LogitChanges refer to.
struct RowChanges {
  std::vector<std::uint32_t> allowed;
  std::vector<kernels::LogitEdit> edits;
  kernels::LogitChanges changes;
  bool spent = false;  // the grammar's mask was given up: the row has no_mask for a token
};

class LogitState {
 public:
  // grammar: of rules.grammar, if there is one; since it may take long, each token that it takes and each mask
  // that it makes is a piece of work to ticks, which may be null and outlives this. vocab_size: logits of a row.
  LogitState(LogitRules rules, std::shared_ptr<const model::CompiledGrammar> grammar, std::int64_t vocab_size,
             TickBoard* ticks = nullptr);

  // The sequence has these tokens by now, the first of which are what they were in the last call.
  void catch_up(std::span<const TokenId> tokens, std::int32_t prompt_tokens);
  // What holds for the token behind those. out keeps its place until the row is sampled.
  void fill(RowChanges& out);
  // The same if the next tokens were these drafts, one row more for each; rows behind a draft that may not come are of
  // no use and mean nothing. Neither do those from a draft on at which the grammar gives up: to go back from there, it must
  // read the answer again, and so it follows no more drafts of the sequence. The same on all ranks.
  void fill_drafts(std::span<const TokenId> drafts, std::span<RowChanges> out);
  // How many drafts of that call have rows that mean something.
  std::size_t followed_drafts() const { return followed_drafts_; }
  // What the grammar forces behind those tokens; see GrammarMatcher.
  std::vector<TokenId> forced(std::size_t most);

 private:
  struct Progress {
    bool thinking = false;
    std::int32_t thought = 0;  // tokens since it began
    std::int32_t outputs = 0;
  };

  void take(TokenId token, bool output);
  void take_back(TokenId token, const Progress& before);
  std::size_t slot(TokenId token);
  // edits: those of edits_, then of tokens that are banned and not among them.
  void ban(TokenId token, std::vector<kernels::LogitEdit>& edits);
  bool may_not_end() const;
  bool thought_enough() const;
  void allow_only(std::span<const TokenId> tokens, std::vector<std::uint32_t>& mask) const;
  void fill_mask(std::vector<std::uint32_t>& mask);
  void matched();  // the grammar has done one thing

  LogitRules rules_;
  std::int64_t vocab_size_;
  TickBoard* ticks_;
  bool penalises_;
  std::optional<model::GrammarMatcher> matcher_;
  std::vector<std::uint32_t> allowed_;  // what the rules allow of themselves; empty: all
  std::vector<TokenId> output_;  // all of it, where there are bad words that it may end with the beginning of
  std::vector<kernels::LogitEdit> edits_;
  std::unordered_map<TokenId, std::size_t> slots_;  // of tokens in edits_
  std::unordered_set<TokenId> in_prompt_;
  std::size_t taken_ = 0;  // tokens
  std::size_t followed_drafts_ = 0;
  Progress progress_;
};

}  // namespace troupe::runtime
