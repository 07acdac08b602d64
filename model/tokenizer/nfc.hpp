// Unicode's normal form C, which Qwen's tokenizers apply before they split. Any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/tokenizer/byte_range.hpp"
#include "runtime/base/error.hpp"

namespace troupe::model {

// Ordering a run of combining marks takes time quadratic in its length.
constexpr int max_combining_run = 256;  // code points

struct NormalizedText {
  std::string text;
  std::vector<ByteRange> plain;  // where what came from the plain ranges stands now; sorted, disjoint
};

// `text` is valid UTF-8 of at most 2 GiB, `plain` sorted
// and disjoint. Refuses a longer run of combining marks.
Expected<NormalizedText> nfc(std::string_view text, std::span<const ByteRange> plain);

}  // namespace troupe::model
