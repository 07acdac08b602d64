// Compiled grammars of a process: compiles them on threads of its own, one at a time for each id, and keeps the last
// used. Shared by edge, ranks and generation. Thread-safe.
#pragma once

#include <cstddef>
#include <memory>

#include "model/grammar/grammar_compiler.hpp"
#include "runtime/base/clock.hpp"

namespace troupe::model {

struct GrammarCacheOptions {
  std::size_t bytes = std::size_t{256} << 20;  // --grammar-cache-bytes: of what is kept; 0 keeps nothing
  Duration timeout = std::chrono::seconds(10);  // --grammar-compile-timeout: of one get()
  int threads = 2;          // compiles at a time, late ones among them
  std::size_t waiting = 256;  // compiles that wait for a thread
};

class GrammarCache {
 public:
  // compiler outlives this, and may be a function of tests.
  using Result = Expected<std::shared_ptr<const CompiledGrammar>>;
  using Compile = std::function<Result(const GrammarSpec&)>;
  GrammarCache(Compile compile, GrammarCacheOptions options);
  ~GrammarCache();  // waits for compiles that have begun

  // Waits for the compile, at most as long as the timeout says; later it is a refusal. A compile that went on too long
  // still takes its thread, and what it yields is kept, so that who asks again need not wait again. Refuses as
  // unavailable when too many compiles wait.
  Result get(const GrammarSpec& spec);
  // What is there; never waits, never compiles. Null if it is not.
  std::shared_ptr<const CompiledGrammar> find(GrammarId id);

 private:
  struct Parts;
  const std::unique_ptr<Parts> parts_;
};

}  // namespace troupe::model
