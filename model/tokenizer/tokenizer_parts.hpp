// What a tokenizer is made of, whatever file it comes from. Plain data; any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/tokenizer/byte_pair_encoding.hpp"
#include "model/tokenizer/normalizer.hpp"
#include "model/tokenizer/pre_tokenizer.hpp"
#include "model/tokenizer/token_names.hpp"
#include "model/tokenizer/token_spelling.hpp"
#include "runtime/base/ids.hpp"

namespace troupe::model {

constexpr TokenId max_token_id = (1 << 20) - 1;
// Of added tokens, each of whose bytes is a node of a trie: of one, and of all together.
constexpr std::size_t max_added_token_bytes = 1024, max_added_bytes = 1 << 20;

struct AddedToken {
  TokenId id = 0;
  std::string content;
  bool special = false;
  bool normalized = false;  // is looked for in the text after normalization
};

struct TokenizerParts {
  std::vector<std::string> tokens;  // by id: the bytes that it decodes to; empty where no token has that id
  std::vector<std::string> names;   // by id: as its file writes it; empty: all are in the byte alphabet
  std::vector<AddedToken> added;    // in the file's order
  Normalizer normalizer{};
  PreTokenizer pre_tokenizer;
  BytePairEncoding bpe;
  bool drops_first_space = false;    // of a text that is decoded from its beginning
  std::optional<TokenId> leading{};  // what the file puts before a text
};

// Sets tokens and names, of a vocabulary and of parts.added.
void name_tokens(TokenNames vocabulary, TokenSpelling spelling, TokenizerParts& parts);

}  // namespace troupe::model
