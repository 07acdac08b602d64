// Which grammars the sequences of a scheduler must keep, and which ranks have made them ready: a sequence is held until
// all have. Not thread-safe.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "runtime/base/grammar_spec.hpp"
#include "runtime/base/ids.hpp"

namespace troupe::runtime {

class GrammarRoll {
 public:
  struct Added {
    bool ready = false;  // all ranks have it
    bool told = false;   // the ranks were told of it for another sequence
    std::uint64_t telling = 0;
  };
  // What the ranks are told of a grammar, under a number of its own.
  struct Telling {
    GrammarSpec grammar;
    std::uint64_t number = 0;
  };
  Added add(SequenceId sequence, GrammarId id, const GrammarSpec& spec);
  // The sequence is over, if it was added. The grammar that nobody needs any more, if that is so.
  std::optional<GrammarId> remove(SequenceId sequence);

  // From now on there are so many ranks, and what they have is not known: all sequences are to be held, and all grammars to be told again.
  void meet(std::size_t ranks);
  std::vector<Telling> tellings() const;
  std::vector<SequenceId> sequences() const;

  // Whether a rank that answers this telling has the grammar: not if it was forgotten since, though it was told again.
  bool awaits(GrammarId id, std::uint64_t telling) const;
  // The sequences that are held no longer. A grammar or rank that is unknown is passed over.
  std::vector<SequenceId> ready(GrammarId id, std::size_t rank);
  std::vector<SequenceId> sequences_of(GrammarId id) const;

 private:
  struct Grammar {
    GrammarSpec spec;
    std::uint64_t telling = 0;
    std::set<SequenceId> sequences;
    std::set<std::size_t> ready;  // ranks
  };

  std::size_t ranks_ = 0;  // 0: none are known
  std::uint64_t last_telling_ = 0;
  std::map<GrammarId, Grammar> grammars_;
  std::map<SequenceId, GrammarId> of_;
};

}  // namespace troupe::runtime
