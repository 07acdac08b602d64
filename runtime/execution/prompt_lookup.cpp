#include "runtime/execution/prompt_lookup.hpp"

#include <algorithm>

namespace troupe::runtime {

std::vector<TokenId> prompt_lookup(std::span<const TokenId> tokens, std::int32_t most) {
  constexpr std::size_t looked_at = 8192, longest = 4, shortest = 2;
  tokens = tokens.last(std::min(tokens.size(), looked_at));
  std::size_t best = shortest - 1, follows = 0;
  // From the latest place on; a longer match further back is better, an equal one is not.
  for (std::size_t end = tokens.size(); end-- > shortest && best < longest;) {
    std::size_t match = 0;
    while (match < longest && match < end && tokens[end - 1 - match] == tokens[tokens.size() - 1 - match])
      ++match;
    if (match <= best) continue;
    best = match;
    follows = end;
  }
  if (best < shortest) return {};
  const auto count = std::min(std::size_t(most), tokens.size() - follows);
  return {tokens.begin() + std::ptrdiff_t(follows), tokens.begin() + std::ptrdiff_t(follows + count)};
}

}  // namespace troupe::runtime
