#include "model/tokenizer/normalizer.hpp"

#include <algorithm>

namespace troupe::model {

Expected<NormalizedText> Normalizer::Nfc::operator()(const NormalizedText& from) const {
  return nfc(from.text, from.plain);
}

Expected<NormalizedText> Normalizer::Prepend::operator()(const NormalizedText& from) const {
  if (from.text.empty()) return from;
  NormalizedText to{text + from.text, from.plain};
  for (ByteRange& range : to.plain) {
    range.begin += text.size();
    range.end += text.size();
  }
  return to;
}

// What was put in place of text that is plain in part is plain.
Expected<NormalizedText> Normalizer::Replace::operator()(const NormalizedText& from) const {
  NormalizedText to;
  std::vector<std::size_t> found;  // where the pattern begins
  for (auto at = from.text.find(pattern); at != from.text.npos;
       at = from.text.find(pattern, at + pattern.size())) {
    const std::size_t done = found.empty() ? 0 : found.back() + pattern.size();
    to.text.append(from.text, done, at - done).append(content);
    found.push_back(at);
  }
  to.text.append(from.text, found.empty() ? 0 : found.back() + pattern.size());
  // The place of an offset; of one within the pattern, the edge of what stands there now.
  const auto moved = [&](std::size_t offset, bool is_end) {
    const auto behind = std::lower_bound(found.begin(), found.end(), offset + (is_end ? 0 : 1));
    const auto before = std::size_t(behind - found.begin());
    if (before == 0) return offset;
    const std::size_t last_end = found[before - 1] + pattern.size();
    const std::size_t new_end = last_end + before * content.size() - before * pattern.size();
    if (offset >= last_end) return new_end + (offset - last_end);
    return is_end ? new_end : new_end - content.size();
  };
  for (const auto& [begin, end] : from.plain) {
    const ByteRange range{moved(begin, false), moved(end, true)};
    const bool touches = !to.plain.empty() && range.begin < to.plain.back().end;
    if (touches)
      to.plain.back().end = std::max(to.plain.back().end, range.end);
    else
      to.plain.push_back(range);
  }
  return to;
}

Expected<NormalizedText> Normalizer::apply(std::string_view text, std::span<const ByteRange> plain) const {
  NormalizedText normalized{std::string(text), {plain.begin(), plain.end()}};
  for (const auto& step : steps_) {
    auto next = std::visit([&](const auto& each) { return each(normalized); }, step);
    if (!next) return next;
    normalized = std::move(*next);
  }
  return normalized;
}

}  // namespace troupe::model
