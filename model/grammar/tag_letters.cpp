#include "model/grammar/tag_letters.hpp"

namespace troupe::model {

std::uint8_t matching_behind(std::string_view tag, std::uint8_t matching, char next) {
  if (matching < tag.size() && tag[matching] == next) return std::uint8_t(matching + 1);
  return next == tag.front();
}

std::vector<std::vector<TokenId>> tokens_completing(std::string_view tag, TokenId but,
                                                    const Tokenizer& tokenizer) {
  std::vector<std::vector<TokenId>> completing(tag.size());
  for (TokenId token = 0; token < tokenizer.vocab_size(); ++token) {
    const std::string_view text = tokenizer.token_bytes(token);
    if (text.empty() || token == but) continue;
    for (auto k = tag.find(text.front(), 1); k != tag.npos; k = tag.find(text.front(), k + 1))
      if (text.starts_with(tag.substr(k))) completing[k].push_back(token);
  }
  return completing;
}

std::size_t bytes_of(std::span<const std::vector<TokenId>> completing) {
  std::size_t bytes = completing.size_bytes();
  for (const std::vector<TokenId>& tokens : completing) bytes += tokens.capacity() * sizeof(TokenId);
  return bytes;
}

TokenTag::TokenTag(TokenId token, const Tokenizer& tokenizer)
    : token_(token),
      tokenizer_(&tokenizer),
      text_(tokenizer.token_bytes(token)),
      completing_(tokens_completing(text_, token, tokenizer)) {}

std::uint8_t TokenTag::behind(std::uint8_t matching, TokenId token) const {
  if (token == token_) return 0;
  if (tokenizer_->is_special(token)) return matching;  // the parser may not see it
  for (const char c : tokenizer_->token_bytes(token)) {
    matching = matching_behind(text_, matching, c);
    if (written(matching)) break;
  }
  return matching;
}

}  // namespace troupe::model
