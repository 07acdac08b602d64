// Reads Hugging Face's tokenizer.json: byte-level BPE, as DeepSeek's, Llama 3's and Qwen's tokenizers are.
// Any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/tokenizer/byte_pair_encoding.hpp"
#include "model/tokenizer/pre_tokenizer.hpp"
#include "runtime/base/ids.hpp"

namespace troupe::model {

constexpr TokenId max_token_id = (1 << 20) - 1;

struct AddedToken {
  TokenId id = 0;
  std::string content;
  bool special = false;
  bool normalized = false;  // is looked for in the text after normalization
};

struct TokenizerFile {
  std::vector<std::string> tokens;  // by id: the bytes that it decodes to; empty where no token has that id
  std::vector<AddedToken> added;    // in the file's order
  bool nfc = false;                 // the normalizer
  PreTokenizer pre_tokenizer;
  BytePairEncoding bpe;
};

// Throws Error that names `file` and the field when it is malformed, contradicts itself, or asks for
// something that would change ids or texts and is not supported.
TokenizerFile parse_tokenizer_file(std::string_view json, const std::string& file);

}  // namespace troupe::model
