#include "model/tokenizer/token_trie.hpp"

#include <algorithm>

namespace troupe::model {

void TokenTrie::add(std::string_view content, TokenId id) {
  Node node = 0;
  for (const char byte : content) {
    const auto [found, is_new] = edges_.try_emplace(edge(node, byte), static_cast<Node>(tokens_.size()));
    if (is_new) tokens_.emplace_back();
    node = found->second;
  }
  tokens_[node] = id;
}

std::optional<TokenTrie::Stretch> TokenTrie::longest_at(std::string_view text, std::size_t begin,
                                                        std::size_t limit) const {
  std::optional<Stretch> longest;
  Node node = 0;
  for (std::size_t i = begin; i < limit; ++i) {
    const auto next = edges_.find(edge(node, text[i]));
    if (next == edges_.end()) break;
    node = next->second;
    if (tokens_[node]) longest = Stretch{{begin, i + 1}, tokens_[node]};
  }
  return longest;
}

std::vector<TokenTrie::Stretch> TokenTrie::split(std::string_view text,
                                                 std::span<const ByteRange> plain) const {
  std::vector<Stretch> stretches;
  std::size_t done = 0;
  const auto flush_until = [&](std::size_t end) {
    if (done < end) stretches.push_back({{done, end}, std::nullopt});
    done = end;
  };
  auto next_plain = plain.begin();
  for (std::size_t i = 0; i < text.size() && !edges_.empty();) {
    while (next_plain != plain.end() && next_plain->end <= i) ++next_plain;
    const std::size_t limit =
        next_plain == plain.end() ? text.size() : std::min(next_plain->begin, text.size());
    if (i >= limit) {
      i = next_plain->end;
    } else if (const auto found = longest_at(text, i, limit)) {
      flush_until(i);
      stretches.push_back(*found);
      i = done = found->range.end;
    } else {
      ++i;
    }
  }
  flush_until(text.size());
  return stretches;
}

std::vector<ByteRange> ranges_within(std::span<const ByteRange> ranges, ByteRange window) {
  std::vector<ByteRange> inside;
  auto range = std::partition_point(ranges.begin(), ranges.end(),
                                    [&](const ByteRange& r) { return r.end <= window.begin; });
  for (; range != ranges.end() && range->begin < window.end; ++range) {
    inside.push_back({std::max(range->begin, window.begin) - window.begin,
                      std::min(range->end, window.end) - window.begin});
  }
  return inside;
}

}  // namespace troupe::model
