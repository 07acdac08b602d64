// Compilers of grammars for the two vocabularies that tests know, made once.
#pragma once

#include <filesystem>

#include "model/grammar/grammar_compiler.hpp"

namespace troupe::model {

struct Vocabulary {
  Vocabulary(const std::filesystem::path& file, std::int64_t logits)
      : tokenizer(Tokenizer::load(file)), size(logits), compiler(tokenizer, logits, std::array{eos}) {}

  static constexpr TokenId eos = 1;  // of both
  const Tokenizer tokenizer;
  const std::int64_t size;
  const GrammarCompiler compiler;
};

inline const Vocabulary& demo_vocabulary() {
  static const Vocabulary vocabulary(std::filesystem::path(DEMO_MODEL) / "tokenizer.json", 1536);
  return vocabulary;
}

inline const Vocabulary& deepseek_vocabulary() {
  static const Vocabulary vocabulary(DEEPSEEK_TOKENIZER, 129280);
  return vocabulary;
}

inline auto compile(const Vocabulary& vocabulary, const GrammarSpec& spec,
                    Duration timeout = std::chrono::minutes(5)) {
  return vocabulary.compiler.compile(spec, now() + timeout);
}

}  // namespace troupe::model
