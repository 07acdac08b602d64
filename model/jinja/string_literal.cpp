#include "model/jinja/string_literal.hpp"

#include <charconv>

#include "model/jinja/unicode.hpp"

namespace troupe::model::jinja {
namespace {

// Exactly `digits` hexadecimal digits at `at`.
std::optional<char32_t> hexadecimal(std::string_view written, std::size_t at, std::size_t digits) {
  std::uint32_t value = 0;
  if (at + digits > written.size()) return std::nullopt;
  const char* end = written.data() + at + digits;
  const auto [stop, error] = std::from_chars(written.data() + at, end, value, 16);
  const bool character = value < 0xD800 || (value > 0xDFFF && value <= 0x10FFFF);
  return error == std::errc() && stop == end && character ? std::optional<char32_t>(value) : std::nullopt;
}

std::size_t octal_digits(std::string_view written, std::size_t at) {
  std::size_t count = 0;
  while (count < 3 && at + count < written.size() && written[at + count] >= '0' && written[at + count] <= '7')
    ++count;
  return count;
}

}  // namespace

std::optional<std::string> string_literal(std::string_view written) {
  std::string value;
  for (std::size_t at = 0; at < written.size();) {
    if (written[at] != '\\') {
      value += written[at++];
      continue;
    }
    const char kind = written[at + 1];  // the lexer saw that a backslash is never the last
    at += 2;
    switch (kind) {
      case '\n':
        continue;
      case '\\':
      case '\'':
      case '"':
        value += kind;
        continue;
      case 'a':
        value += '\a';
        continue;
      case 'b':
        value += '\b';
        continue;
      case 'f':
        value += '\f';
        continue;
      case 'n':
        value += '\n';
        continue;
      case 'r':
        value += '\r';
        continue;
      case 't':
        value += '\t';
        continue;
      case 'v':
        value += '\v';
        continue;
      case 'N':
        return std::nullopt;
      case 'x':
      case 'u':
      case 'U': {
        const std::size_t digits = kind == 'x' ? 2 : kind == 'u' ? 4 : 8;
        const auto character = hexadecimal(written, at, digits);
        if (!character) return std::nullopt;
        encode(*character, value);
        at += digits;
        continue;
      }
      default:
        break;
    }
    if (const std::size_t digits = octal_digits(written, at - 1)) {
      std::uint32_t character = 0;
      std::from_chars(written.data() + at - 1, written.data() + at - 1 + digits, character, 8);
      encode(character, value);
      at += digits - 1;
    } else {
      value.append({'\\', kind});
    }
  }
  return value;
}

}  // namespace troupe::model::jinja
