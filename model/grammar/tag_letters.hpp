// Tags of the output (model/output) as letters: the output's parser reads text, and does not see whether a tag came as its
// token or was spelled out by others. Any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "model/tokenizer/tokenizer.hpp"

namespace troupe::model {

// How much of the tag a text ends with, of which `matching` bytes stood there, behind one more byte. No beginning of the tag
// stands in it again, but for a byte or two of its last letter.
std::uint8_t matching_behind(std::string_view tag, std::uint8_t matching, char next);

// [k]: the tokens that complete the tag, whose first k bytes stand there, but the one that means it.
std::vector<std::vector<TokenId>> tokens_completing(std::string_view tag, TokenId but,
                                                    const Tokenizer& tokenizer);

std::size_t bytes_of(std::span<const std::vector<TokenId>> completing);  // of memory, about

// A tag that only its token may write. Immutable.
class TokenTag {
 public:
  TokenTag(TokenId token, const Tokenizer& tokenizer);

  // How much of it stands there behind a token, where `matching` bytes did. All of it: that token may not come. A special
  // token between its letters does not part them.
  std::uint8_t behind(std::uint8_t matching, TokenId token) const;
  bool written(std::uint8_t matching) const { return matching == text_.size(); }
  std::span<const TokenId> completing(std::uint8_t matching) const { return completing_[matching]; }
  std::size_t bytes() const { return bytes_of(completing_); }

 private:
  TokenId token_;
  const Tokenizer* tokenizer_;
  std::string_view text_;
  std::vector<std::vector<TokenId>> completing_;
};

}  // namespace troupe::model
