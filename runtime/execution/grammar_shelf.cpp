#include "runtime/execution/grammar_shelf.hpp"

#include <utility>

#include "model/checkpoint/checkpoint.hpp"
#include "model/text/text_model.hpp"
#include "runtime/base/log.hpp"

namespace troupe::runtime {
namespace {

// What compiling needs of a checkpoint.
struct Vocabulary {
  model::TextModel text;
  model::GrammarCompiler compiler;
  model::GrammarCache cache;

  Vocabulary(const std::filesystem::path& folder, const model::GrammarCacheOptions& options)
      : text(model::TextModel::load(folder)),
        compiler(text.tokenizer, model::config_of(folder).vocab_size, text.eos_ids),
        cache(
            [this](const GrammarSpec& spec, TimePoint deadline) { return compiler.compile(spec, deadline); },
            options) {}
};

// Reads it when it is first asked for, and again where that has failed. Thread-safe.
class LazyVocabulary {
 public:
  LazyVocabulary(const std::filesystem::path& folder, const model::GrammarCacheOptions& options)
      : folder_(folder), options_(options) {}

  Vocabulary& get() {
    const std::lock_guard lock(mutex_);
    if (!read_) read_ = std::make_unique<Vocabulary>(folder_, options_);
    return *read_;
  }

 private:
  const std::filesystem::path folder_;
  const model::GrammarCacheOptions options_;
  std::mutex mutex_;
  std::unique_ptr<Vocabulary> read_;
};

}  // namespace

GrammarShelf::GrammarShelf(Compile compile) : compile_(std::move(compile)), making_(threads, most_waiting) {}

void GrammarShelf::learn(const GrammarSpec& spec, std::function<void(const Expected<void>&)> done) {
  const GrammarId id = grammar_id(spec);
  bool ready = false;
  {
    const std::lock_guard lock(mutex_);
    wanted_.insert(id);
    ready = ready_.contains(id);
  }
  if (ready) return done({});
  if (!making_.post([this, spec, done] { done(make(spec)); }))
    done(refuse(RefusalKind::unavailable, "too many grammars wait to be made ready"));
}

// What is wrong with the rank itself, as a checkpoint that cannot be read, ends the sequences that need the grammar and no
// more. The next may find it mended.
model::GrammarCache::Result GrammarShelf::compile(const GrammarSpec& spec) const try {
  return compile_(spec);
} catch (const std::exception& why) {
  log_event(LogLevel::error, "grammar_not_made", {{"error", why.what()}});
  return refuse(RefusalKind::internal, "a rank cannot make grammars ready; the server's log says why");
}

Expected<void> GrammarShelf::make(const GrammarSpec& spec) {
  auto compiled = compile(spec);
  if (!compiled) return tl::unexpected(compiled.error());
  const std::lock_guard lock(mutex_);
  if (const GrammarId id = grammar_id(spec); wanted_.contains(id)) ready_[id] = std::move(*compiled);
  return {};
}

void GrammarShelf::forget(GrammarId id) {
  const std::lock_guard lock(mutex_);
  wanted_.erase(id);
  ready_.erase(id);
}

std::shared_ptr<const model::CompiledGrammar> GrammarShelf::find(GrammarId id) const {
  const std::lock_guard lock(mutex_);
  const auto found = ready_.find(id);
  return found == ready_.end() ? nullptr : found->second;
}

Grammars GrammarShelf::of(const StepPlan& plan) const {
  Grammars found;
  for (const Begin& each : plan.begin)
    if (const GrammarId id = each.rules.grammar)
      if (auto grammar = find(id)) found.emplace(id, std::move(grammar));
  return found;
}

GrammarShelf::Compile compile_for(const std::filesystem::path& folder,
                                  const model::GrammarCacheOptions& options) {
  return [vocabulary = std::make_shared<LazyVocabulary>(folder, options)](const GrammarSpec& spec) {
    return vocabulary->get().cache.get(spec);
  };
}

}  // namespace troupe::runtime
