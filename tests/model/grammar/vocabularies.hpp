// Compilers of grammars for the two vocabularies that tests know, made once.
#pragma once

#include <array>
#include <filesystem>
#include <string_view>
#include <vector>

#include "model/grammar/grammar_compiler.hpp"
#include "model/json/parse.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::model {

struct Vocabulary {
  Vocabulary(const std::filesystem::path& file, std::int64_t logits)
      : tokenizer(Tokenizer::load(file)), size(logits), compiler(tokenizer, logits, std::array{eos}) {}

  std::vector<TokenId> tokens_of(std::string_view text) const { return tokenizer.encode(text).value(); }

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

// The demo model's, with the token that stands in calls of DeepSeek V3.2 in place of another.
inline const Vocabulary& dsml_vocabulary() {
  static const TemporaryFolder folder;
  static const Vocabulary vocabulary(
      [] {
        auto file = load_json(std::filesystem::path(DEMO_MODEL) / "tokenizer.json", 1 << 20);
        constexpr const char *left_out = "<｜tool▁output▁begin｜>", *marker = "｜DSML｜";
        for (auto& token : file["added_tokens"])
          if (token["content"] == left_out) token["content"] = marker;
        auto& entries = file["model"]["vocab"];
        entries[marker] = entries.at(left_out);
        entries.erase(left_out);
        return folder.write("tokenizer.json", file.dump());
      }(),
      1536);
  return vocabulary;
}

inline auto compile(const Vocabulary& vocabulary, const GrammarSpec& spec,
                    Duration timeout = std::chrono::minutes(5)) {
  return vocabulary.compiler.compile(spec, now() + timeout);
}

}  // namespace troupe::model
