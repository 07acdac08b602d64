#include "model/jinja/text.hpp"

#include <algorithm>

namespace troupe::model::jinja {
namespace {

void mark(std::vector<ByteRange>& ranges, std::size_t begin, std::size_t end) {
  if (begin == end) return;
  if (!ranges.empty() && ranges.back().end == begin) {
    ranges.back().end = end;
  } else {
    ranges.push_back({begin, end});
  }
}

// The first range that ends after byte.
auto first_after(const std::vector<ByteRange>& ranges, std::size_t byte) {
  return std::upper_bound(ranges.begin(), ranges.end(), byte,
                          [](std::size_t at, const ByteRange& range) { return at < range.end; });
}

}  // namespace

void Text::append(std::string_view more, bool is_plain) {
  if (is_plain) mark(plain, bytes.size(), bytes.size() + more.size());
  bytes.append(more);
}

void Text::append(const Text& other, std::size_t begin, std::size_t end) {
  const std::size_t at = bytes.size();
  for (auto range = first_after(other.plain, begin); range != other.plain.end() && range->begin < end;
       ++range) {
    mark(plain, at + std::max(range->begin, begin) - begin, at + std::min(range->end, end) - begin);
  }
  bytes.append(other.bytes, begin, end - begin);
}

Text Text::slice(std::size_t begin, std::size_t end) const {
  Text part;
  part.append(*this, begin, end);
  part.markup = markup;
  return part;
}

bool Text::plain_at(std::size_t byte) const {
  const auto range = first_after(plain, byte);
  return range != plain.end() && range->begin <= byte;
}

std::string Text::redacted() const {
  std::string shown;
  std::size_t at = 0;
  for (const ByteRange& range : plain) {
    shown.append(bytes, at, range.begin - at).append("…");
    at = range.end;
  }
  return shown.append(bytes, at);
}

}  // namespace troupe::model::jinja
