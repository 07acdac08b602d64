// A span of a text, by bytes. The chat template marks with
// these what came from a message; the tokenizer reads them.
#pragma once

#include <cstddef>

namespace troupe::model {

// Half open: [begin, end).
struct ByteRange {
  std::size_t begin = 0;
  std::size_t end = 0;
  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

}  // namespace troupe::model
