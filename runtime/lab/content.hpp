// The words of simulated texts. Equal contents have equal tokens, so that prompts which share one share what the prefix cache
// holds of it. Pure functions; any thread.
#pragma once

#include <cstdint>

#include "runtime/base/ids.hpp"

namespace troupe::runtime::lab {

using ContentId = std::uint64_t;

constexpr std::uint64_t mixed(std::uint64_t x) {  // the finaliser of splitmix64
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// Two contents have no long run of tokens in common, but by a chance of 2^-31 a token.
constexpr TokenId token_of(ContentId content, std::uint64_t position) {
  return TokenId(mixed(content + 0x9e3779b97f4a7c15u * (position + 1)) >> 33);
}

// What answers say, where it is not that.
class AnswerWords {
 public:
  virtual ~AnswerWords() = default;
  virtual TokenId word(ContentId answer, std::uint64_t position) const = 0;
};
inline TokenId word_of(const AnswerWords* words, ContentId answer, std::uint64_t position) {
  return words ? words->word(answer, position) : token_of(answer, position);
}

}  // namespace troupe::runtime::lab
