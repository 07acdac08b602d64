#include "model/grammar/forced_tokens.hpp"

#include <algorithm>
#include <bit>
#include <string>

namespace troupe::model {

// Where anything may come, the first few tokens are a choice already. An added token is no text, whatever its letters are.
std::optional<TokenId> only_token(std::span<const std::uint32_t> mask, const Tokenizer& tokenizer) {
  std::optional<TokenId> longest;
  for (std::size_t word = 0; word < mask.size(); ++word)
    for (std::uint32_t left = mask[word]; left != 0; left &= left - 1) {
      const auto token = TokenId(word * 32 + std::size_t(std::countr_zero(left)));
      if (longest && (tokenizer.is_added(token) || tokenizer.is_added(*longest))) return std::nullopt;
      const std::string_view text = tokenizer.token_bytes(token);
      const std::string_view known = longest ? tokenizer.token_bytes(*longest) : std::string_view();
      if (!text.starts_with(known) && !known.starts_with(text)) return std::nullopt;
      if (!longest || text.size() > known.size()) longest = token;
    }
  return longest;
}

namespace {

// Not so where a tokenizer changes texts: SentencePiece's puts a space before them.
bool spells(std::span<const TokenId> tokens, std::string_view text, const Tokenizer& tokenizer) {
  for (const TokenId token : tokens) {
    const std::string_view bytes = tokenizer.token_bytes(token);
    if (!text.starts_with(bytes)) return false;
    text.remove_prefix(bytes.size());
  }
  return text.empty();
}

}  // namespace

std::vector<TokenId> as_written(std::span<const TokenId> tokens, const Tokenizer& tokenizer) {
  std::vector<TokenId> written;
  for (auto begin = tokens.begin(); begin != tokens.end();) {
    const auto end =
        std::find_if(begin, tokens.end(), [&](TokenId each) { return tokenizer.is_added(each); });
    std::string text;
    for (auto each = begin; each != end; ++each) text += tokenizer.token_bytes(*each);
    const ByteRange plain{0, text.size()};  // its letters are never control
    const auto cut = tokenizer.encode(text, {&plain, 1});
    if (cut && spells(*cut, text, tokenizer))
      written.insert(written.end(), cut->begin(), cut->end());
    else
      written.insert(written.end(), begin, end);
    begin = std::find_if_not(end, tokens.end(), [&](TokenId each) { return tokenizer.is_added(each); });
    written.insert(written.end(), end, begin);
  }
  return written;
}

}  // namespace troupe::model
