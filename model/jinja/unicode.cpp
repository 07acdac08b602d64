#include "model/jinja/unicode.hpp"

#include <unicode/bytestream.h>
#include <unicode/casemap.h>
#include <unicode/uchar.h>

#include <algorithm>

#include "runtime/base/error.hpp"
#include "runtime/base/utf8.hpp"

namespace troupe::model::jinja {
namespace {

UNumericType numeric_type(char32_t c) {
  return UNumericType(u_getIntPropertyValue(UChar32(c), UCHAR_NUMERIC_TYPE));
}

bool is_decimal(char32_t c) {
  return numeric_type(c) == U_NT_DECIMAL;
}
bool is_numeric(char32_t c) {
  return numeric_type(c) != U_NT_NONE;
}

constexpr char root[] = "";  // the locale that has no rules of its own

// map(character as UTF-8, sink, status)
template <class Map>
std::string mapped(char32_t c, Map map) {
  std::string from, to;
  encode(c, from);
  icu::StringByteSink<std::string> sink(&to);
  UErrorCode status = U_ZERO_ERROR;
  map(from, sink, status);
  CHECK(U_SUCCESS(status), "case mapping failed");
  return to;
}

}  // namespace

CodePoint decode(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return char32_t(static_cast<unsigned char>(text[at + i])); };
  if (byte(0) < 0x80) return {byte(0), 1};
  if (byte(0) < 0xE0) return {(byte(0) & 0x1F) << 6 | (byte(1) & 0x3F), 2};
  if (byte(0) < 0xF0) return {(byte(0) & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F), 3};
  return {(byte(0) & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F), 4};
}

CodePoint decode_before(std::string_view text, std::size_t end) {
  return decode(text, character_to(text, end - 1));
}

void encode(char32_t c, std::string& out) {
  if (c < 0x80) {
    out += char(c);
  } else if (c < 0x800) {
    out += {char(0xC0 | c >> 6), char(0x80 | (c & 0x3F))};
  } else if (c < 0x10000) {
    out += {char(0xE0 | c >> 12), char(0x80 | (c >> 6 & 0x3F)), char(0x80 | (c & 0x3F))};
  } else {
    out += {char(0xF0 | c >> 18), char(0x80 | (c >> 12 & 0x3F)), char(0x80 | (c >> 6 & 0x3F)),
            char(0x80 | (c & 0x3F))};
  }
}

std::size_t count_code_points(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return !continues_character(c); });
}

std::size_t byte_of(std::string_view text, std::size_t n) {
  std::size_t at = 0;
  for (; n > 0 && at < text.size(); --n) at += decode(text, at).size;
  return at;
}

bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

bool is_line_break(char32_t c) {
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

bool is_alpha(char32_t c) {
  return u_isalpha(UChar32(c));
}
bool is_digit(char32_t c) {
  return is_decimal(c) || numeric_type(c) == U_NT_DIGIT;
}
bool is_alnum(char32_t c) {
  return is_alpha(c) || is_numeric(c);
}

bool is_upper(char32_t c) {
  return u_isUUppercase(UChar32(c));
}
bool is_lower(char32_t c) {
  return u_isULowercase(UChar32(c));
}
bool is_title(char32_t c) {
  return u_istitle(UChar32(c));
}

bool is_printable(char32_t c) {
  return c == ' ' || (U_GET_GC_MASK(UChar32(c)) & (U_GC_C_MASK | U_GC_Z_MASK)) == 0;
}

bool is_identifier_start(char32_t c) {
  return c == '_' || u_hasBinaryProperty(UChar32(c), UCHAR_XID_START);
}
bool is_identifier_part(char32_t c) {
  return u_hasBinaryProperty(UChar32(c), UCHAR_XID_CONTINUE);
}

bool is_cased(char32_t c) {
  return u_hasBinaryProperty(UChar32(c), UCHAR_CASED);
}
bool is_case_ignorable(char32_t c) {
  return u_hasBinaryProperty(UChar32(c), UCHAR_CASE_IGNORABLE);
}

std::string to_upper(char32_t c) {
  return mapped(c, [](const std::string& from, icu::ByteSink& sink, UErrorCode& status) {
    icu::CaseMap::utf8ToUpper(root, 0, from, sink, nullptr, status);
  });
}

std::string to_title(char32_t c) {
  return mapped(c, [](const std::string& from, icu::ByteSink& sink, UErrorCode& status) {
    icu::CaseMap::utf8ToTitle(root, U_TITLECASE_WHOLE_STRING | U_TITLECASE_NO_BREAK_ADJUSTMENT, nullptr, from,
                              sink, nullptr, status);
  });
}

std::string to_lower(char32_t c) {
  return mapped(c, [](const std::string& from, icu::ByteSink& sink, UErrorCode& status) {
    icu::CaseMap::utf8ToLower(root, 0, from, sink, nullptr, status);
  });
}

}  // namespace troupe::model::jinja
