// A mask over a row's logits: token t is bit t % 32 of word t / 32, set if t may come. Any thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "runtime/base/ids.hpp"

namespace troupe::model {

constexpr std::size_t mask_words(std::int64_t vocab_size) {
  return std::size_t(vocab_size + 31) / 32;
}

// mask has mask_words(vocab_size).
inline void allow_all(std::span<std::uint32_t> mask, std::int64_t vocab_size) {
  std::ranges::fill(mask, ~std::uint32_t{0});
  if (const std::int64_t rest = vocab_size % 32) mask.back() = (std::uint32_t{1} << rest) - 1;
}

// token is one of the vocabulary.
inline void forbid(std::span<std::uint32_t> mask, TokenId token) {
  mask[std::size_t(token) / 32] &= ~(std::uint32_t{1} << token % 32);
}

}  // namespace troupe::model
