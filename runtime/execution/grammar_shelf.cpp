#include "runtime/execution/grammar_shelf.hpp"

#include <utility>

#include "model/config.hpp"
#include "model/text_model.hpp"

namespace troupe::runtime {
namespace {

// What compiling needs of a checkpoint.
struct Vocabulary {
  model::TextModel text;
  model::GrammarCompiler compiler;
  model::GrammarCache cache;

  Vocabulary(const std::filesystem::path& folder, const model::GrammarCacheOptions& options)
      : text(model::TextModel::load(folder)),
        compiler(text.tokenizer, model::load_config(folder / "config.json").vocab_size, text.eos_ids),
        cache(
            [this](const GrammarSpec& spec, TimePoint deadline) { return compiler.compile(spec, deadline); },
            options) {}
};

struct Lazy {
  std::once_flag once;
  std::unique_ptr<Vocabulary> vocabulary;
};

}  // namespace

GrammarShelf::GrammarShelf(Compile compile) : compile_(std::move(compile)), making_(threads, most_waiting) {}

void GrammarShelf::learn(const GrammarSpec& spec, std::function<void(const Expected<void>&)> done) {
  const GrammarId id = grammar_id(spec);
  {
    const std::lock_guard lock(mutex_);
    wanted_.insert(id);
    if (ready_.contains(id)) return done({});
  }
  if (!making_.post([this, spec, done] { done(make(spec)); }))
    done(refuse(RefusalKind::unavailable, "too many grammars wait to be made ready"));
}

Expected<void> GrammarShelf::make(const GrammarSpec& spec) {
  auto compiled = compile_(spec);
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

GrammarShelf::Compile compile_for(const std::filesystem::path& folder,
                                  const model::GrammarCacheOptions& options) {
  return [folder, options, lazy = std::make_shared<Lazy>()](const GrammarSpec& spec) {
    std::call_once(lazy->once, [&] { lazy->vocabulary = std::make_unique<Vocabulary>(folder, options); });
    return lazy->vocabulary->cache.get(spec);
  };
}

}  // namespace troupe::runtime
