// The grammars that a rank has made ready, for its steps to take along; they are made on threads of their own, so that no
// step waits. Thread-safe.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>

#include "model/grammar/grammar_cache.hpp"
#include "runtime/base/job_queue.hpp"
#include "runtime/scheduling/step.hpp"

namespace troupe::runtime {

using Grammars = std::map<GrammarId, std::shared_ptr<const model::CompiledGrammar>>;

class GrammarShelf {
 public:
  using Compile = std::function<model::GrammarCache::Result(const GrammarSpec&)>;
  static constexpr std::size_t most_waiting = 4096;  // grammars to be made
  static constexpr int threads = 4;  // so that one that takes long does not hold up the others

  // compile: called from the shelf's threads. Where it throws, that grammar is refused.
  explicit GrammarShelf(Compile compile);

  // Makes it ready, then calls done from one of the shelf's threads, with the refusal if it is no grammar; at once from the
  // caller's if it is ready, or too many wait. done may call the shelf.
  void learn(const GrammarSpec& spec, std::function<void(const Expected<void>&)> done);
  void forget(GrammarId id);
  std::shared_ptr<const model::CompiledGrammar> find(GrammarId id) const;  // null: it was not learned
  // What the sequences need that a plan begins, as far as it is ready: to be taken when the plan comes, since all may be
  // forgotten before its turn.
  Grammars of(const StepPlan& plan) const;

 private:
  model::GrammarCache::Result compile(const GrammarSpec& spec) const;
  Expected<void> make(const GrammarSpec& spec);

  const Compile compile_;
  mutable std::mutex mutex_;
  std::set<GrammarId> wanted_;  // learned and not forgotten
  std::map<GrammarId, std::shared_ptr<const model::CompiledGrammar>> ready_;
  JobQueue making_;  // last: its threads end before what they use
};

// For the vocabulary of a checkpoint's folder, which is read when the first grammar comes; what was made is kept for a
// while.
GrammarShelf::Compile compile_for(const std::filesystem::path& folder,
                                  const model::GrammarCacheOptions& options);

}  // namespace troupe::runtime
