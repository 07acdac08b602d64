// The text side of a checkpoint that is converted: tokenizer and chat template. Called by one thread.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

#include "model/checkpoint/checkpoint.hpp"
#include "model/gguf/gguf_writer.hpp"

namespace troupe::model {

// To keys: of a folder tokenizer.json as it is (tokenizer.huggingface.json, a key of the format), the chat templates and
// add_bos_token; of a GGUF file its own. Throws Error, also for a folder whose tokenizer is tiktoken.model.
void convert_text(const Checkpoint& checkpoint, GgufKeys& keys);

// config.json with the special tokens that a folder's tokenizer_config.json and generation_config.json add: the token that
// templates call eos_token comes first. Throws Error.
nlohmann::json with_special_tokens(const Checkpoint& checkpoint, nlohmann::json config);

// To files: of a folder those that it has, but for config.json; of a GGUF file its tokenizer.json, or one of its byte-level
// vocabulary, the chat templates and the tokens that end an answer. Returns what got lost on the way, such as a tokenizer
// that no such file can say: a sentence each, without a full stop. Throws Error.
std::vector<std::string> convert_text(const Checkpoint& checkpoint, const std::filesystem::path& folder);

}  // namespace troupe::model
