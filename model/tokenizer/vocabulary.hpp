// A vocabulary as GGUF files bring it (tokenizer.ggml.*): lists, and the names of what is done with them. Plain data; any
// thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/tokenizer/tokenizer_parts.hpp"
#include "runtime/base/ids.hpp"

namespace troupe::model {

// tokenizer.ggml.token_type. Control and unknown tokens are special, and with the user-defined ones they are found in
// texts as they stand; a byte token is one that no other token has.
enum class TokenType : std::int32_t {
  undefined = 0,  // as normal
  normal = 1,
  unknown = 2,
  control = 3,
  user_defined = 4,
  unused = 5,
  byte = 6
};

struct Vocabulary {
  std::string where{};          // what errors begin with, such as the file
  std::string model = "gpt2";   // "gpt2": byte-level BPE by merges; "llama": SentencePiece's BPE by scores
  std::string pre = "default";  // of gpt2: how texts are cut into words; see pre_tokenizer_named()
  // By id: in the byte alphabet (gpt2), or with ▁ for spaces and <0x0A> for bytes (llama).
  std::vector<std::string> tokens{};
  std::vector<TokenType> types{};  // one for each token; empty: all are normal
  // Of llama, one for each token: the pair that joins to the highest merges first.
  std::vector<float> scores{};
  std::vector<std::string> merges{};  // of gpt2: "left right", the first merges first
  std::optional<TokenId> bos{}, eos{}, unknown{};
  std::optional<bool> add_bos{};  // before a text that is no chat; absent: as `model` and `pre` have it
  bool add_space_prefix = true;   // of llama: before a text, and behind each added token in it
};

// Throws Error that names `where` and the key at fault.
TokenizerParts parts_of(const Vocabulary& vocabulary);

}  // namespace troupe::model
