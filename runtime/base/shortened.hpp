// The beginning of a text that may be too long to be told. Any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "runtime/base/utf8.hpp"

namespace troupe {

// text: UTF-8, of which at most so many bytes are kept, in whole characters; "..." stands for the rest.
inline std::string shortened(std::string_view text, std::size_t most_bytes) {
  if (text.size() <= most_bytes) return std::string(text);
  return std::string(text.substr(0, character_to(text, most_bytes))) + "...";
}

}  // namespace troupe
