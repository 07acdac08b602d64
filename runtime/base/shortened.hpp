// The beginning of a text that may be too long to be told. Any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace troupe {

// text: UTF-8, of which at most so many bytes are kept, in whole characters; "..." stands for the rest.
inline std::string shortened(std::string_view text, std::size_t most_bytes) {
  if (text.size() <= most_bytes) return std::string(text);
  std::size_t end = most_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "...";
}

}  // namespace troupe
