#include "runtime/generation/repetition_guard.hpp"

#include <algorithm>

namespace troupe::runtime {

bool RepetitionGuard::push(TokenId token) {
  if (limits_.ngram == 0) return false;
  bool repeats = false;
  const auto longest = std::int32_t(std::min<std::int64_t>(limits_.ngram, pushed_));
  for (std::int32_t n = 1; n <= longest; ++n) {
    std::int32_t& run = runs_[std::size_t(n - 1)];
    run = last_[std::size_t((pushed_ - n) % limits_.ngram)] == token ? run + 1 : 0;
    // The first of the n-grams is as nothing before it.
    repeats |= run >= limits_.ngram * limits_.repeats - n;
  }
  last_[std::size_t(pushed_++ % limits_.ngram)] = token;
  return repeats;
}

}  // namespace troupe::runtime
