// Text to tokens and back, as Hugging Face's tokenizers do it for
// the same tokenizer.json. Immutable after loading; any thread.
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
#include "model/tokenizer/tokenizer_file.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/ids.hpp"

namespace troupe::model {

class Tokenizer {
 public:
  static constexpr std::size_t max_file_bytes = 128 << 20;
  static constexpr std::size_t max_text_bytes = 16 << 20;

  // Both throw Error that names the file and the field at fault.
  static Tokenizer load(const std::filesystem::path& tokenizer_json);
  static Tokenizer parse(std::string_view json, const std::string& file);

  // The tokens of `text`; none is put before or after. Added tokens are recognised except where any of their
  // bytes lies in `plain` (sorted, disjoint): that text came from a user and is never control. Refuses a text
  // that is not valid UTF-8, too long, or too hard for the file's patterns (Pattern::match_limit).
  Expected<std::vector<TokenId>> encode(std::string_view text, std::span<const ByteRange> plain = {}) const;

  // Ids beyond the vocabulary stand for nothing; bytes that are not UTF-8 become U+FFFD, see Utf8Repair.
  std::string decode(std::span<const TokenId> ids, bool skip_special = false) const;

  // What the token decodes to, which need not be whole characters. Empty for ids beyond the vocabulary.
  std::string_view token_bytes(TokenId id) const;
  // The token as tokenizer.json writes it: in the byte alphabet, or an added token's text.
  std::string vocabulary_entry(TokenId id) const;
  bool is_special(TokenId id) const;
  bool is_added(TokenId id) const;
  std::optional<TokenId> id_of_added(std::string_view content) const;
  std::size_t longest_token_bytes() const { return longest_token_bytes_; }  // at least 1
  int vocab_size() const { return static_cast<int>(file_.tokens.size()); }  // highest id + 1

 private:
  explicit Tokenizer(TokenizerFile file);
  const AddedToken* added(TokenId id) const;
  Expected<void> encode_between_tokens(std::string_view text, std::span<const ByteRange> plain,
                                       std::vector<TokenId>& ids) const;
  Expected<void> encode_normalized(std::string_view text, std::span<const ByteRange> plain,
                                   std::vector<TokenId>& ids) const;
  Expected<void> encode_words(std::string_view text, std::vector<TokenId>& ids) const;

  TokenizerFile file_;
  std::size_t longest_token_bytes_ = 1;
  std::unordered_map<TokenId, std::size_t> added_;  // index into file_.added
  TokenTrie tokens_in_text_;
  TokenTrie tokens_in_normalized_text_;
};

}  // namespace troupe::model
