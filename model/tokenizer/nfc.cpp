#include "model/tokenizer/nfc.hpp"

#include <unicode/bytestream.h>
#include <unicode/edits.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <cstdint>

namespace troupe::model {
namespace {

void check(UErrorCode code) {
  if (U_FAILURE(code))
    throw Error(u_errorName(code), "Unicode normalization (ICU)", "check the ICU installation");
}

int longest_combining_run(std::string_view text) {
  int longest = 0;
  int run = 0;
  const auto size = static_cast<std::int32_t>(text.size());
  for (std::int32_t i = 0; i < size;) {
    UChar32 c;
    U8_NEXT(text.data(), i, size, c);
    run = c >= 0x300 && u_getCombiningClass(c) != 0 ? run + 1 : 0;  // the first combining mark is U+0300
    longest = std::max(longest, run);
  }
  return longest;
}

// What the edits made of the plain ranges. A changed stretch is plain as a whole if any of its source was.
std::vector<ByteRange> follow(std::span<const ByteRange> plain, const icu::Edits& edits) {
  std::vector<ByteRange> moved;
  UErrorCode error = U_ZERO_ERROR;
  auto edit = edits.getFineIterator();
  while (edit.next(error)) {
    const auto source = static_cast<std::size_t>(edit.sourceIndex());
    const auto target = static_cast<std::size_t>(edit.destinationIndex());
    const auto old_end = source + static_cast<std::size_t>(edit.oldLength());
    const auto new_end = target + static_cast<std::size_t>(edit.newLength());
    auto range =
        std::partition_point(plain.begin(), plain.end(), [&](const ByteRange& r) { return r.end <= source; });
    for (; range != plain.end() && range->begin < old_end; ++range) {
      if (edit.hasChange()) {
        moved.push_back({target, new_end});
        break;
      }
      moved.push_back({target + std::max(range->begin, source) - source,
                       target + std::min(range->end, old_end) - source});
    }
  }
  check(error);
  return moved;
}

}  // namespace

Expected<NormalizedText> nfc(std::string_view text, std::span<const ByteRange> plain) {
  if (longest_combining_run(text) > max_combining_run) {
    return refuse("the text has more than " + std::to_string(max_combining_run) +
                  " combining marks in a row");
  }
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* normalizer = icu::Normalizer2::getNFCInstance(error);
  check(error);
  NormalizedText result;
  icu::StringByteSink<std::string> sink(&result.text, static_cast<std::int32_t>(text.size()));
  icu::Edits edits;
  normalizer->normalizeUTF8(0, icu::StringPiece(text.data(), static_cast<std::int32_t>(text.size())), sink,
                            &edits, error);
  check(error);
  result.plain = follow(plain, edits);
  return result;
}

}  // namespace troupe::model
