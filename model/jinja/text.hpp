// A string that remembers which of its bytes came from the caller's data.
// A plain value: distinct objects may be used by distinct threads.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "model/tokenizer/byte_range.hpp"

namespace troupe::model::jinja {

struct Text {
  std::string bytes;             // valid UTF-8
  std::vector<ByteRange> plain;  // the caller's bytes: ascending, disjoint, not adjacent, not empty
  bool markup = false;           // made by `safe` or `escape`: what is added to it gets escaped

  Text() = default;
  explicit Text(std::string_view all, bool is_plain = false) { append(all, is_plain); }

  void append(std::string_view more, bool is_plain);
  void append(const Text& other) { append(other, 0, other.bytes.size()); }
  // Bytes begin to end of other, which is another object.
  void append(const Text& other, std::size_t begin, std::size_t end);

  Text slice(std::size_t begin, std::size_t end) const;
  bool plain_at(std::size_t byte) const;
  // The caller's characters replaced by an ellipsis: what may stand in an error.
  std::string redacted() const;
};

}  // namespace troupe::model::jinja
