#include "model/grammar/grammar_compiler.hpp"

#include <xgrammar/compiler.h>
#include <xgrammar/matcher.h>

#include <algorithm>
#include <string>
#include <vector>

#include "model/grammar/engine_bounds.hpp"
#include "model/grammar/engine_grammar.hpp"
#include "model/grammar/grammar_limits.hpp"
#include "model/grammar/grammar_matcher.hpp"
#include "model/grammar/mask_cost.hpp"
#include "model/grammar/tool_calls.hpp"
#include "runtime/base/shortened.hpp"

namespace troupe::model {
namespace {

// No text has this byte, so that what begins with it is never a part of an answer's text: control tokens come where a
// grammar names them by id, and never because their letters would fit into a string.
constexpr char never_text = '\xff';

std::vector<std::string> token_texts(const Tokenizer& tokenizer, std::int64_t vocab_size) {
  std::vector<std::string> texts(std::min(std::size_t(vocab_size), std::size_t(tokenizer.vocab_size())));
  for (std::size_t id = 0; id < texts.size(); ++id) {
    if (tokenizer.is_added(TokenId(id))) texts[id] = never_text;
    texts[id] += tokenizer.token_bytes(TokenId(id));
  }
  return texts;
}

auto refuse_late() {
  return refuse("the grammar takes longer to compile than --grammar-compile-timeout allows; make it smaller",
                {}, "grammar_compile_timeout");
}

bool allows_anything(const std::shared_ptr<const CompiledGrammar>& grammar) {
  GrammarMatcher matcher(grammar);
  std::vector<std::uint32_t> mask(mask_words(grammar->vocab_size()));
  return !matcher.fill(mask) || matcher.spent() ||
         std::ranges::any_of(mask, [](std::uint32_t word) { return word != 0; });
}

}  // namespace

GrammarCompiler::GrammarCompiler(const Tokenizer& tokenizer, std::int64_t vocab_size,
                                 std::span<const TokenId> eos_ids)
    : tokenizer_(tokenizer),
      vocab_size_(vocab_size),
      vocabulary_(std::make_unique<const xgrammar::TokenizerInfo>(
          token_texts(tokenizer, vocab_size), xgrammar::VocabType::RAW, int(vocab_size),
          std::vector<std::int32_t>(eos_ids.begin(), eos_ids.end()))) {
  CHECK(!eos_ids.empty(), "an answer that no token can end");
}
GrammarCompiler::~GrammarCompiler() = default;

Expected<std::shared_ptr<const CompiledGrammar>> GrammarCompiler::compile(const GrammarSpec& spec,
                                                                          TimePoint deadline) const {
  try {
    if (const auto within = check_limits(spec); !within) return tl::unexpected(within.error());
    std::optional<TokenId> after;
    if (!spec.after.empty() && !(after = tokenizer_.id_of_added(spec.after)))
      return refuse("the model has no token that ends its reasoning, behind which the grammar would hold");
    const auto opening = opening_of_calls(spec, tokenizer_);
    if (!opening) return tl::unexpected(opening.error());
    const CompileDeadline bound(deadline);
    const auto grammar = engine_grammar(spec, tokenizer_);
    if (!grammar) return tl::unexpected(grammar.error());
    // Its own cache and threads are off: GrammarCache is the cache, and compiles several at a time.
    xgrammar::GrammarCompiler engine(*vocabulary_, /*max_threads=*/1, /*cache_enabled=*/false);
    auto compiled =
        std::make_shared<const CompiledGrammar>(engine.CompileGrammar(**grammar), tokenizer_, after, *opening,
                                                token_in_calls(spec, tokenizer_), vocab_size_);
    if (!allows_anything(compiled)) return refuse("the grammar matches no text");
    return compiled;
  } catch (const EngineTimeout&) {
    return refuse_late();
  } catch (const std::exception& e) {
    return refuse("the grammar cannot be compiled: " + shortened(e.what(), max_complaint_bytes));
  }
}

Expected<std::shared_ptr<const CompiledGrammar>> GrammarCompiler::admit(const GrammarSpec& spec,
                                                                        TimePoint deadline) const {
  const auto compiled = compile(spec, deadline);
  if (!compiled) return compiled;
  try {
    const CompileDeadline bound(deadline);
    if (dearest_mask(*compiled) <= most_mask_time) return compiled;
  } catch (const EngineTimeout&) {
    return refuse_late();
  }
  return refuse("the grammar takes more than " + std::to_string(most_mask_time.count()) +
                " ms to say which tokens may come next; make it less ambiguous: fewer repetitions within "
                "repetitions");
}

}  // namespace troupe::model
