// Compiled grammars of a process: compiles them on threads of its own, one at a time for each id, and keeps the last
// used. Shared by edge, ranks and generation. Thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>

#include "model/grammar/grammar_compiler.hpp"
#include "runtime/base/clock.hpp"

namespace troupe::model {

struct GrammarCacheOptions {
  std::size_t bytes = std::size_t{256} << 20;  // --grammar-cache-bytes: of what is kept; 0 keeps nothing
  Duration timeout =
      std::chrono::seconds(10);  // --grammar-compile-timeout: of a compile and its wait for a thread
  int threads = 2;               // compiles at a time
  std::size_t waiting = 256;     // compiles that wait for a thread
};

class GrammarCache {
 public:
  using Result = Expected<std::shared_ptr<const CompiledGrammar>>;
  // GrammarCompiler::compile; called on several threads at a time.
  using Compile = std::function<Result(const GrammarSpec&, TimePoint deadline)>;
  GrammarCache(Compile compile, GrammarCacheOptions options);
  ~GrammarCache();  // waits for compiles that have begun

  // Of a grammar that is asked for now.
  TimePoint deadline() const;
  // Waits until the grammar is compiled, or is refused. Refuses as unavailable when too many compiles wait. deadline: taken
  // when the request began to wait, for whatever; who joins a compile that runs waits for that one's.
  Result get(const GrammarSpec& spec, TimePoint deadline);
  Result get(const GrammarSpec& spec) { return get(spec, deadline()); }
  // What is there; never waits, never compiles. Null if it is not.
  std::shared_ptr<const CompiledGrammar> find(GrammarId id);

 private:
  struct Parts;
  const std::unique_ptr<Parts> parts_;
};

}  // namespace troupe::model
