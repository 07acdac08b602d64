// The behaviours are those of NormalizedString::split in https://github.com/huggingface/tokenizers.
#include "model/tokenizer/pre_tokenizer.hpp"

#include <algorithm>
#include <span>

#include "model/tokenizer/token_spelling.hpp"

namespace troupe::model {
namespace {

struct Part {
  ByteRange range;
  bool is_match = false;
};

// The matches and what lies between them.
std::vector<Part> parts_of(std::size_t size, const std::vector<ByteRange>& matches, bool invert) {
  std::vector<Part> parts;
  std::size_t done = 0;
  for (const ByteRange& match : matches) {
    if (done != match.begin) parts.push_back({{done, match.begin}, invert});
    parts.push_back({match, !invert});
    done = match.end;
  }
  if (done != size) parts.push_back({{done, size}, invert});
  return parts;
}

// Joins neighbours; `joins(before, part)` looks at the part before, not at what it was joined with.
template <class Joins>
void join(std::vector<Part>& parts, Joins joins) {
  std::vector<Part> joined;
  bool before = false;
  for (const Part& part : parts) {
    if (!joined.empty() && joins(before, part.is_match)) {
      joined.back().range = {std::min(joined.back().range.begin, part.range.begin),
                             std::max(joined.back().range.end, part.range.end)};
    } else {
      joined.push_back(part);
    }
    before = part.is_match;
  }
  parts = std::move(joined);
}

void regroup(SplitBehavior behavior, std::vector<Part>& parts) {
  const auto lone_match = [](bool before, bool match) { return match && !before; };
  switch (behavior) {
    case SplitBehavior::isolated:
      return;
    case SplitBehavior::removed:
      std::erase_if(parts, [](const Part& part) { return part.is_match; });
      return;
    case SplitBehavior::merged_with_previous:
      return join(parts, lone_match);
    case SplitBehavior::merged_with_next:
      std::reverse(parts.begin(), parts.end());
      join(parts, lone_match);
      std::reverse(parts.begin(), parts.end());
      return;
    case SplitBehavior::contiguous:
      return join(parts, [](bool before, bool match) { return before == match; });
  }
}

Expected<void> cut(std::span<const Split> splits, std::vector<std::string_view>& words) {
  std::vector<ByteRange> matches;
  for (const Split& split : splits) {
    std::vector<std::string_view> smaller;
    for (const std::string_view word : words) {
      matches.clear();
      if (auto found = split.pattern.find_all(word, matches); !found) return found;
      std::vector<Part> parts = parts_of(word.size(), matches, split.invert);
      regroup(split.behavior, parts);
      for (const auto& [range, is_match] : parts) {
        if (range.begin < range.end) smaller.push_back(word.substr(range.begin, range.end - range.begin));
      }
    }
    words = std::move(smaller);
  }
  return {};
}

std::string with_metaspaces(std::string_view text, Metaspace::Prepend prepend, bool is_first) {
  std::string marked;
  const bool begins_with_space = text.starts_with(' ') || text.starts_with(sentence_piece_space);
  const bool prepends =
      prepend == Metaspace::Prepend::always || (prepend == Metaspace::Prepend::first && is_first);
  if (prepends && !begins_with_space) marked += sentence_piece_space;
  for (const char c : text)
    if (c == ' ')
      marked += sentence_piece_space;
    else
      marked += c;
  return marked;
}

}  // namespace

PreTokenizer::PreTokenizer(const Metaspace& metaspace) : metaspace_(metaspace.prepend) {
  if (metaspace.split)
    splits_.push_back({Pattern::literal(sentence_piece_space), SplitBehavior::merged_with_next});
}

Expected<PreTokenizer::Words> PreTokenizer::split(std::string_view text, bool is_first) const {
  Words result;
  if (metaspace_) text = result.rewritten.emplace_back(with_metaspaces(text, *metaspace_, is_first));
  if (!text.empty()) result.words.push_back(text);
  if (auto done = cut(splits_, result.words); !done) return tl::unexpected(done.error());
  if (add_prefix_space_) {
    for (std::string_view& word : result.words) {
      if (!word.starts_with(' ')) word = result.rewritten.emplace_back(" ").append(word);
    }
  }
  if (auto done = cut(last_splits_, result.words); !done) return tl::unexpected(done.error());
  return result;
}

}  // namespace troupe::model
