// Code points of UTF-8 text, with the classes and case mappings that Python's str uses. Any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace troupe::model::jinja {

struct CodePoint {
  char32_t value = 0;
  std::size_t size = 1;  // bytes
};
// text is valid UTF-8 and at the first byte of a character of it.
CodePoint decode(std::string_view text, std::size_t at);
// The character that ends just before byte `end`, which is not 0.
CodePoint decode_before(std::string_view text, std::size_t end);
void encode(char32_t value, std::string& out);

std::size_t count_code_points(std::string_view text);
// Byte where the nth character begins; text.size() if there are no more than n.
std::size_t byte_of(std::string_view text, std::size_t n);

constexpr bool is_ascii_digit(char32_t c) {
  return c >= '0' && c <= '9';
}

// str.isspace, str.splitlines, and so on.
bool is_space(char32_t c);
bool is_line_break(char32_t c);
bool is_alpha(char32_t c);
bool is_digit(char32_t c);
bool is_alnum(char32_t c);
bool is_upper(char32_t c);
bool is_lower(char32_t c);
bool is_title(char32_t c);  // a letter that is both, such as ǅ
bool is_printable(char32_t c);
bool is_identifier_start(char32_t c);
bool is_identifier_part(char32_t c);
// Unicode's Cased and Case_Ignorable.
bool is_cased(char32_t c);
bool is_case_ignorable(char32_t c);

// Full mappings: one character may become several.
std::string to_upper(char32_t c);
std::string to_title(char32_t c);
std::string to_lower(char32_t c);

}  // namespace troupe::model::jinja
