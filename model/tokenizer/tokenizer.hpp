// Text to tokens and back, as Hugging Face's tokenizers do it for the same tokenizer.json, tiktoken for the same ranks, and
// llama.cpp for the vocabulary of a GGUF file. Immutable after loading; any thread.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/tokenizer/byte_range.hpp"
#include "model/tokenizer/token_trie.hpp"
#include "model/tokenizer/tokenizer_parts.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/ids.hpp"

namespace troupe::model {

struct Vocabulary;

constexpr std::size_t max_tokenizer_config_bytes = 16 << 20;  // of tokenizer_config.json

class Tokenizer {
 public:
  static constexpr std::size_t max_file_bytes = 128 << 20;
  static constexpr std::size_t max_text_bytes = 16 << 20;

  // All throw Error that names the file and the field at fault.
  static Tokenizer load(const std::filesystem::path& tokenizer_json);
  static Tokenizer parse(std::string_view json, const std::string& file);
  // A folder's tokenizer.json, or else its tiktoken.model with tokenizer_config.json.
  static Tokenizer load_of_folder(const std::filesystem::path& folder);
  // Throws Error that names vocabulary.where and the key at fault.
  static Tokenizer from(const Vocabulary& vocabulary);

  // The tokens of `text`; none is put before (see leading()) or after. Added tokens are recognised except where any of their
  // bytes lies in `plain` (sorted, disjoint): that text came from a user and is never control. Refuses a text
  // that is not valid UTF-8, too long, or too hard for the file's patterns (Pattern::match_limit).
  Expected<std::vector<TokenId>> encode(std::string_view text, std::span<const ByteRange> plain = {}) const;

  // Ids beyond the vocabulary stand for nothing; bytes that are not UTF-8 become U+FFFD, see Utf8Repair. Where SentencePiece
  // puts a space before a text, it is dropped here again.
  std::string decode(std::span<const TokenId> ids, bool skip_special = false) const;

  // What the token decodes to, which need not be whole characters. Empty for ids beyond the vocabulary.
  std::string_view token_bytes(TokenId id) const;
  // The token as its file writes it: in the byte alphabet or SentencePiece's, or an added token's text.
  std::string vocabulary_entry(TokenId id) const;
  bool is_special(TokenId id) const;
  bool is_added(TokenId id) const;
  std::optional<TokenId> id_of_added(std::string_view content) const;
  // What the file puts before a text that is no chat; nothing: no token, or it does not say.
  std::optional<TokenId> leading() const { return parts_.leading; }
  bool drops_first_space() const { return parts_.drops_first_space; }        // of a text, see decode()
  std::size_t longest_token_bytes() const { return longest_token_bytes_; }   // at least 1
  int vocab_size() const { return static_cast<int>(parts_.tokens.size()); }  // highest id + 1

 private:
  explicit Tokenizer(TokenizerParts parts);
  const AddedToken* added(TokenId id) const;
  // is_first: nothing stands before the text.
  Expected<void> encode_between_tokens(std::string_view text, std::span<const ByteRange> plain, bool is_first,
                                       std::vector<TokenId>& ids) const;
  Expected<void> encode_normalized(std::string_view text, std::span<const ByteRange> plain, bool is_first,
                                   std::vector<TokenId>& ids) const;
  Expected<void> encode_words(std::string_view text, bool is_first, std::vector<TokenId>& ids) const;

  TokenizerParts parts_;
  std::size_t longest_token_bytes_ = 1;
  std::unordered_map<TokenId, std::size_t> added_;  // index into parts_.added
  TokenTrie tokens_in_text_;
  TokenTrie tokens_in_normalized_text_;
};

}  // namespace troupe::model
