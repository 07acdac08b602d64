// Makes the byte-pair encoding of a vocabulary from the names of its tokens. One owner.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string_view>
#include <unordered_set>

#include "model/tokenizer/byte_pair_encoding.hpp"
#include "model/tokenizer/token_names.hpp"
#include "model/tokenizer/token_spelling.hpp"

namespace troupe::model {

class BpeBuilder {
 public:
  static constexpr std::size_t max_joined_bytes = 1024;  // of a token's name, for merge_what_joins()

  // names outlives this. added: tokens that no text becomes but where it is one of them as it stands: what a user writes
  // would be control otherwise. All members throw std::invalid_argument that says what is wrong with the vocabulary.
  BpeBuilder(const TokenNames& names, TokenSpelling spelling, std::unordered_set<TokenId> added);

  // The first call's merge goes first.
  void merge(std::string_view left, std::string_view right);
  // Any two tokens whose names join to a third's merge; the third of the lowest rank goes first. None: not that token.
  void merge_what_joins(const std::function<std::optional<int>(TokenId)>& rank);
  // A word that is a token is that token ("ignore_merges").
  void keep_whole_words();
  // See BytePairEncoding::set_unknown.
  void set_unknown(TokenId id, bool fused) { bpe_.set_unknown(id, fused); }

  // See BytePairEncoding::part_at_unknown.
  void part_at_unknown() { bpe_.part_at_unknown(); }

  BytePairEncoding take() { return std::move(bpe_); }

 private:
  std::array<TokenId, 256> byte_tokens() const;
  void add_characters();
  void refuse_added(TokenId id) const;

  const TokenNames& names_;
  TokenSpelling spelling_;
  std::unordered_set<TokenId> added_;
  BytePairEncoding bpe_;
};

}  // namespace troupe::model
