#include "runtime/scheduling/grammar_roll.hpp"

namespace troupe::runtime {

GrammarRoll::Added GrammarRoll::add(SequenceId sequence, GrammarId id, const GrammarSpec& spec) {
  of_[sequence] = id;
  const auto [found, added] = grammars_.try_emplace(id, Grammar{spec, {}, {}, {}});
  Grammar& grammar = found->second;
  if (added) grammar.telling = ++last_telling_;
  grammar.sequences.insert(sequence);
  return {ranks_ > 0 && grammar.ready.size() == ranks_, !added, grammar.telling};
}

std::optional<GrammarId> GrammarRoll::remove(SequenceId sequence) {
  const auto of = of_.extract(sequence);
  if (!of) return std::nullopt;
  const auto found = grammars_.find(of.mapped());
  found->second.sequences.erase(sequence);
  if (!found->second.sequences.empty()) return std::nullopt;
  grammars_.erase(found);
  return of.mapped();
}

void GrammarRoll::meet(std::size_t ranks) {
  ranks_ = ranks;
  for (auto& [id, grammar] : grammars_) {
    grammar.ready.clear();
    grammar.telling = ++last_telling_;
  }
}

std::vector<GrammarRoll::Telling> GrammarRoll::tellings() const {
  std::vector<Telling> all;
  for (const auto& [id, grammar] : grammars_) all.push_back({grammar.spec, grammar.telling});
  return all;
}

bool GrammarRoll::awaits(GrammarId id, std::uint64_t telling) const {
  const auto found = grammars_.find(id);
  return found != grammars_.end() && found->second.telling == telling;
}

std::vector<SequenceId> GrammarRoll::sequences() const {
  std::vector<SequenceId> all;
  for (const auto& [sequence, id] : of_) all.push_back(sequence);
  return all;
}

std::vector<SequenceId> GrammarRoll::ready(GrammarId id, std::size_t rank) {
  const auto found = grammars_.find(id);
  if (found == grammars_.end() || rank >= ranks_) return {};
  found->second.ready.insert(rank);
  return found->second.ready.size() == ranks_ ? sequences_of(id) : std::vector<SequenceId>{};
}

std::vector<SequenceId> GrammarRoll::sequences_of(GrammarId id) const {
  const auto found = grammars_.find(id);
  if (found == grammars_.end()) return {};
  return {found->second.sequences.begin(), found->second.sequences.end()};
}

}  // namespace troupe::runtime
