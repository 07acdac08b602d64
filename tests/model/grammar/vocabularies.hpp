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

struct GrammarVocabulary {
  GrammarVocabulary(const std::filesystem::path& file, std::int64_t logits)
      : tokenizer(Tokenizer::load(file)), size(logits), compiler(tokenizer, logits, std::array{eos}) {}

  std::vector<TokenId> tokens_of(std::string_view text) const { return tokenizer.encode(text).value(); }

  static constexpr TokenId eos = 1;  // of both
  const Tokenizer tokenizer;
  const std::int64_t size;
  const GrammarCompiler compiler;
};

inline const GrammarVocabulary& demo_vocabulary() {
  static const GrammarVocabulary vocabulary(std::filesystem::path(DEMO_MODEL) / "tokenizer.json", 1536);
  return vocabulary;
}

inline const GrammarVocabulary& deepseek_vocabulary() {
  static const GrammarVocabulary vocabulary(DEEPSEEK_TOKENIZER, 129280);
  return vocabulary;
}

// The demo model's tokenizer.json, with tokens of other models in place of some of its own.
inline std::filesystem::path demo_file_with(const TemporaryFolder& folder,
                                            const std::vector<std::pair<const char*, const char*>>& renamed) {
  auto file = load_json(std::filesystem::path(DEMO_MODEL) / "tokenizer.json", 1 << 20);
  for (const auto& [left_out, marker] : renamed) {
    for (auto& token : file["added_tokens"])
      if (token["content"] == left_out) token["content"] = marker;
    auto& entries = file["model"]["vocab"];
    entries[marker] = entries.at(left_out);
    entries.erase(left_out);
  }
  return folder.write("tokenizer.json", file.dump());
}

// With the token that stands in calls of DeepSeek V3.2.
inline const GrammarVocabulary& dsml_vocabulary() {
  static const TemporaryFolder folder;
  static const GrammarVocabulary vocabulary(demo_file_with(folder, {{"<｜tool▁output▁begin｜>", "｜DSML｜"}}),
                                            1536);
  return vocabulary;
}

// With those of Qwen's calls, and of Llama 3's.
inline const GrammarVocabulary& qwen_llama_vocabulary() {
  static const TemporaryFolder folder;
  static const GrammarVocabulary vocabulary(
      demo_file_with(folder, {{"<｜tool▁output▁begin｜>", "<tool_call>"},
                              {"<｜tool▁output▁end｜>", "</tool_call>"},
                              {"<｜tool▁sep｜>", "<|python_tag|>"}}),
      1536);
  return vocabulary;
}

// With those of Kimi K2's calls.
inline const GrammarVocabulary& kimi_vocabulary() {
  static const TemporaryFolder folder;
  static const GrammarVocabulary vocabulary(
      demo_file_with(folder, {{"<｜tool▁calls▁begin｜>", "<|tool_calls_section_begin|>"},
                              {"<｜tool▁calls▁end｜>", "<|tool_calls_section_end|>"},
                              {"<｜tool▁call▁begin｜>", "<|tool_call_begin|>"},
                              {"<｜tool▁sep｜>", "<|tool_call_argument_begin|>"},
                              {"<｜tool▁call▁end｜>", "<|tool_call_end|>"}}),
      1536);
  return vocabulary;
}

inline auto compile(const GrammarVocabulary& vocabulary, const GrammarSpec& spec,
                    Duration timeout = std::chrono::minutes(5)) {
  return vocabulary.compiler.compile(spec, now() + timeout);
}

}  // namespace troupe::model
