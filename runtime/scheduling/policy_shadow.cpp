#include "runtime/scheduling/policy_shadow.hpp"

#include <algorithm>

namespace troupe::runtime {

PolicyShadow::PolicyShadow(std::unique_ptr<BatchPolicy> policy) : policy_(std::move(policy)) {}

void PolicyShadow::look(const SchedulerView& view, std::int32_t token_budget, const Proposal& chosen) {
  proposal_.shares.clear();
  proposal_.token_budget.reset();
  try {
    policy_->propose(view, token_budget, proposal_);
  } catch (...) {  // a plugin's
    ++stats_.failures;
    return;
  }
  compare(tokens_of(view, token_budget, chosen), tokens_of(view, token_budget, proposal_));
}

void PolicyShadow::left(const SequenceView& sequence, bool finished) {
  try {
    policy_->left(sequence, finished);
  } catch (...) {
    ++stats_.failures;
  }
}

// What the scheduler would ask the pool for: within the budget and the seats, and of each sequence once.
PolicyShadow::Tokens PolicyShadow::tokens_of(const SchedulerView& view, std::int32_t token_budget,
                                             const Proposal& proposal) {
  std::map<SequenceId, std::int32_t> pending;
  for (const SequenceView& each : view.sequences) pending.emplace(each.id, each.pending);
  std::int32_t left = std::clamp(proposal.token_budget.value_or(token_budget), 1, view.most_tokens);
  Tokens tokens;
  for (const Share& share : proposal.shares) {
    const auto known = pending.find(share.sequence);
    if (known == pending.end()) continue;
    const std::int32_t given = std::min({share.tokens, known->second, left});
    pending.erase(known);
    if (given <= 0) continue;
    if (std::int32_t(tokens.size()) == view.most_running) break;
    tokens.emplace(share.sequence, given);
    left -= given;
  }
  return tokens;
}

void PolicyShadow::compare(const Tokens& chosen, const Tokens& other) {
  if (chosen.empty() && other.empty()) return;
  const auto missing_in = [](const Tokens& all, const auto& each) {
    const auto found = all.find(each.first);
    return found == all.end() || found->second != each.second;
  };
  auto different =
      std::uint64_t(std::ranges::count_if(chosen, [&](const auto& each) { return missing_in(other, each); }));
  different += std::uint64_t(
      std::ranges::count_if(other, [&](const auto& each) { return !chosen.contains(each.first); }));
  ++stats_.steps;
  stats_.different_steps += different > 0;
  stats_.different_sequences += different;
}

}  // namespace troupe::runtime
