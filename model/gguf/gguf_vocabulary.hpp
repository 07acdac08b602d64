// The text side of a GGUF file. Pure functions; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/gguf/gguf_file.hpp"
#include "model/tokenizer/vocabulary.hpp"

namespace troupe::model {

// The key that holds a whole tokenizer.json, in place of tokenizer.ggml.tokens and what belongs to them.
constexpr std::string_view gguf_tokenizer_json = "tokenizer.huggingface.json";

// The key of the chat template; behind it and a dot are further ones, each under its name.
constexpr std::string_view gguf_chat_template = "tokenizer.chat_template";

// The keys tokenizer.ggml.*. Throws Error that names the key for one that is missing or contradicts another.
Vocabulary gguf_vocabulary(const GgufFile& first);

// All of them, each with its name ("default" for the first).
std::vector<std::pair<std::string, std::string>> gguf_templates(const GgufFile& first);

}  // namespace troupe::model
