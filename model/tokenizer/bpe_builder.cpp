#include "model/tokenizer/bpe_builder.hpp"

#include <stdexcept>
#include <string>
#include <utility>

#include "model/tokenizer/byte_alphabet.hpp"
#include "model/tokenizer/utf8.hpp"

namespace troupe::model {

BpeBuilder::BpeBuilder(const TokenNames& names, TokenSpelling spelling, std::unordered_set<TokenId> added)
    : names_(names), spelling_(spelling), added_(std::move(added)), bpe_(byte_tokens()) {
  if (spelling_ == TokenSpelling::sentence_piece) add_characters();
}

std::array<TokenId, 256> BpeBuilder::byte_tokens() const {
  std::array<TokenId, 256> tokens;
  tokens.fill(BytePairEncoding::no_token);
  for (int byte = 0; byte < 256; ++byte) {
    const auto found = names_.ids.find(name_of_byte(spelling_, static_cast<unsigned char>(byte)));
    if (found == names_.ids.end()) continue;
    refuse_added(found->second);
    tokens[byte] = found->second;
  }
  return tokens;
}

void BpeBuilder::add_characters() {
  for (const auto& [name, id] : names_.ids)
    if (!added_.contains(id) && is_one_character(name)) bpe_.add_character(name, id);
}

void BpeBuilder::merge(std::string_view left, std::string_view right) {
  const auto left_id = names_.ids.find(left), right_id = names_.ids.find(right);
  const auto merged = names_.ids.find(std::string(left).append(right));
  for (const auto& part : {merged, left_id, right_id})
    if (part == names_.ids.end()) throw std::invalid_argument("names a token that is not in the vocabulary");
  refuse_added(merged->second);
  bpe_.add_merge(left_id->second, right_id->second, merged->second);
}

void BpeBuilder::merge_what_joins(const std::function<std::optional<int>(TokenId)>& rank) {
  for (const auto& [name, id] : names_.ids) {
    const auto own = added_.contains(id) ? std::nullopt : rank(id);
    if (!own) continue;
    if (name.size() > max_joined_bytes)
      throw std::invalid_argument("has a token of more than " + std::to_string(max_joined_bytes) + " bytes");
    for (std::size_t cut = 1; cut < name.size(); ++cut) {
      const auto left = names_.ids.find(name.substr(0, cut));
      if (left == names_.ids.end()) continue;
      if (const auto right = names_.ids.find(name.substr(cut)); right != names_.ids.end())
        bpe_.add_merge(left->second, right->second, id, *own);
    }
  }
}

void BpeBuilder::keep_whole_words() {
  for (const auto& [name, id] : names_.ids) {
    if (added_.contains(id)) continue;
    if (spelling_ == TokenSpelling::sentence_piece)
      bpe_.add_word(std::string(name), id);
    else if (auto bytes = bytes_of_letters(name))
      bpe_.add_word(std::move(*bytes), id);
  }
}

// If merges made an added token, what a user writes could be taken for control.
void BpeBuilder::refuse_added(TokenId id) const {
  if (added_.contains(id))
    throw std::invalid_argument("lets plain text become added token " + std::to_string(id));
}

}  // namespace troupe::model
