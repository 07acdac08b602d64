// How texts are cut into words, by the names that GGUF files have for it (tokenizer.ggml.pre). Any thread.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "model/tokenizer/pre_tokenizer.hpp"

namespace troupe::model {

struct NamedPreTokenizer {
  PreTokenizer splits;
  std::vector<std::string_view> patterns;  // those of splits, one after the other, in Oniguruma's syntax
  bool nfc = false;                        // texts are normalized first
  bool whole_words = false;                // a word that is a token is that token, whatever the merges say
  bool adds_bos = false;                   // where the file does not say
};

// Nothing: the name is not known.
std::optional<NamedPreTokenizer> pre_tokenizer_named(std::string_view name);

// Of tiktoken's file of Kimi K2 (tokenization_kimi.py of its publication).
PreTokenizer kimi_pre_tokenizer();

}  // namespace troupe::model
