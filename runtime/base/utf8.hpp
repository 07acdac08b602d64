// Where the characters of UTF-8 begin. Any thread.
#pragma once

#include <cstddef>
#include <string_view>

namespace troupe {

// It is not the first of its character.
inline bool continues_character(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

// The first place from `at` on where a character begins; the text's end, if none does.
inline std::size_t character_from(std::string_view text, std::size_t at) {
  while (at < text.size() && continues_character(text[at])) ++at;
  return at;
}

// The last place up to `at` where one begins, or the text ends; 0, if none does.
inline std::size_t character_to(std::string_view text, std::size_t at) {
  while (at > 0 && at < text.size() && continues_character(text[at])) --at;
  return at;
}

}  // namespace troupe
