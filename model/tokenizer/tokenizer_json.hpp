// Reads Hugging Face's tokenizer.json: byte-level BPE, as DeepSeek's, Llama 3's, Qwen's and GPT-2's tokenizers are, and
// SentencePiece's BPE, as Llama 2's is. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "model/tokenizer/tokenizer_parts.hpp"

namespace troupe::model {

// Throws Error that names `file` and the field when it is malformed, contradicts itself, or asks for
// something that would change ids or texts and is not supported.
TokenizerParts parse_tokenizer_json(std::string_view json, const std::string& file);

}  // namespace troupe::model
