#include "model/jinja/unicode.hpp"

#include <clocale>
#include <cwctype>

#include <algorithm>
#include <array>

#include "runtime/base/error.hpp"

namespace troupe::model::jinja {
namespace {

// The C library's tables, whatever locale the process runs in. C.UTF-8 is built into glibc.
locale_t unicode_locale() {
  static const locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  CHECK(locale != nullptr, "the C library has no C.UTF-8 locale");
  return locale;
}

std::string encoded(char32_t c) {
  std::string bytes;
  encode(c, bytes);
  return bytes;
}

struct SpecialCase {
  char32_t from;
  std::string_view upper;
  std::string_view title;
};

// SpecialCasing.txt of Unicode, but the Greek letters with iota, which follow a rule (see below).
constexpr std::array special_cases{
    SpecialCase{0xDF, "SS", "Ss"},
    SpecialCase{0x149, "ʼN", "ʼN"},
    SpecialCase{0x1F0, "J̌", "J̌"},
    SpecialCase{0x390, "\u0399\u0308\u0301", "\u0399\u0308\u0301"},
    SpecialCase{0x3B0, "\u03A5\u0308\u0301", "\u03A5\u0308\u0301"},
    SpecialCase{0x587, "ԵՒ", "Եւ"},
    SpecialCase{0x1E96, "H̱", "H̱"},
    SpecialCase{0x1E97, "T̈", "T̈"},
    SpecialCase{0x1E98, "W̊", "W̊"},
    SpecialCase{0x1E99, "Y̊", "Y̊"},
    SpecialCase{0x1E9A, "Aʾ", "Aʾ"},
    SpecialCase{0x1F50, "Υ̓", "Υ̓"},
    SpecialCase{0x1F52, "Υ̓̀", "Υ̓̀"},
    SpecialCase{0x1F54, "Υ̓́", "Υ̓́"},
    SpecialCase{0x1F56, "Υ̓͂", "Υ̓͂"},
    SpecialCase{0xFB00, "FF", "Ff"},
    SpecialCase{0xFB01, "FI", "Fi"},
    SpecialCase{0xFB02, "FL", "Fl"},
    SpecialCase{0xFB03, "FFI", "Ffi"},
    SpecialCase{0xFB04, "FFL", "Ffl"},
    SpecialCase{0xFB05, "ST", "St"},
    SpecialCase{0xFB06, "ST", "St"},
    SpecialCase{0xFB13, "ՄՆ", "Մն"},
    SpecialCase{0xFB14, "ՄԵ", "Մե"},
    SpecialCase{0xFB15, "ՄԻ", "Մի"},
    SpecialCase{0xFB16, "ՎՆ", "Վն"},
    SpecialCase{0xFB17, "ՄԽ", "Մխ"},
};

const SpecialCase* special_case(char32_t c) {
  const auto found = std::find_if(special_cases.begin(), special_cases.end(),
                                  [c](const SpecialCase& special) { return special.from == c; });
  return found == special_cases.end() ? nullptr : &*found;
}

// Titlecase letters of their own: the digraphs Ǆ Ǉ Ǌ Ǳ, each of which stands as upper, title, lower.
char32_t digraph_title(char32_t c) {
  if (c >= 0x1C4 && c <= 0x1CC) return 0x1C5 + (c - 0x1C4) / 3 * 3;
  if (c >= 0x1F1 && c <= 0x1F3) return 0x1F2;
  return 0;
}

// Georgian letters have capitals, which titles do not use.
bool georgian(char32_t c) {
  return c >= 0x10D0 && c <= 0x10FF;
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
  std::size_t begin = end - 1;
  while ((text[begin] & 0xC0) == 0x80) --begin;
  return decode(text, begin);
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
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
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

bool is_digit(char32_t c) {
  return c >= '0' && c <= '9';
}
bool is_alpha(char32_t c) {
  return !is_digit(c) && iswalpha_l(c, unicode_locale());
}
// Titlecase digraphs and Greek letters with a small iota are neither.
bool is_upper(char32_t c) {
  const bool title =
      c == digraph_title(c) || (c >= 0x1F88 && c <= 0x1FFC && (c & 0xF) >= 8 && to_upper(c).size() > 3);
  return !title && iswupper_l(c, unicode_locale());
}
bool is_lower(char32_t c) {
  return c != digraph_title(c) && iswlower_l(c, unicode_locale());
}

bool is_printable(char32_t c) {
  if (c < 0x7F) return c >= 0x20;
  const bool format =
      c == 0xAD || (c >= 0x600 && c <= 0x605) || c == 0x61C || c == 0x6DD || c == 0x70F ||
      (c >= 0x890 && c <= 0x891) || c == 0x8E2 || c == 0x180E || (c >= 0x200B && c <= 0x200F) ||
      (c >= 0x202A && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF ||
      (c >= 0xFFF9 && c <= 0xFFFB) || c == 0x110BD || c == 0x110CD || (c >= 0x13430 && c <= 0x1343F) ||
      (c >= 0x1BCA0 && c <= 0x1BCA3) || (c >= 0x1D173 && c <= 0x1D17A) || (c >= 0xE0001 && c <= 0xE007F);
  const bool private_use = (c >= 0xE000 && c <= 0xF8FF) || c >= 0xF0000;
  return !is_space(c) && !format && !private_use && iswprint_l(c, unicode_locale());
}

std::string to_upper(char32_t c) {
  if (c < 0x80) return encoded(c >= 'a' && c <= 'z' ? c - 32 : c);
  if (const SpecialCase* special = special_case(c)) return std::string(special->upper);
  // Greek with iota below: the letter's capital and a capital iota; then those with a circumflex.
  constexpr std::array<std::string_view, 3> capitals{"Α", "Η", "Ω"};
  if (c >= 0x1F80 && c <= 0x1FAF) {
    constexpr std::array<char32_t, 3> base{0x1F08, 0x1F28, 0x1F68};
    return encoded(base[(c - 0x1F80) / 16] + (c & 7)) + "Ι";
  }
  if (c >= 0x1FB0 && c <= 0x1FFF) {
    const char32_t row = (c - 0x1FB0) / 16;
    const std::size_t letter = row == 0 ? 0 : row == 1 ? 1 : 2;
    const bool vowel_row = row == 0 || row == 1 || row == 4;
    constexpr std::array<std::string_view, 3> graves{"Ὰ", "Ὴ", "Ὼ"}, acutes{"Ά", "Ή", "Ώ"};
    switch (vowel_row ? c & 15 : 16) {
      case 2:
        return std::string(graves[letter]) + "Ι";
      case 3:
      case 12:
        return std::string(capitals[letter]) + "Ι";
      case 4:
        return std::string(acutes[letter]) + "Ι";
      case 6:
        return std::string(capitals[letter]) + "\u0342";
      case 7:
        return std::string(capitals[letter]) + "\u0342\u0399";
      default:
        break;
    }
    constexpr std::array<std::pair<char32_t, std::string_view>, 9> others{{{0x1FD2, "\u0399\u0308\u0300"},
                                                                           {0x1FD3, "\u0399\u0308\u0301"},
                                                                           {0x1FD6, "\u0399\u0342"},
                                                                           {0x1FD7, "\u0399\u0308\u0342"},
                                                                           {0x1FE2, "\u03A5\u0308\u0300"},
                                                                           {0x1FE3, "\u03A5\u0308\u0301"},
                                                                           {0x1FE4, "\u03A1\u0313"},
                                                                           {0x1FE6, "\u03A5\u0342"},
                                                                           {0x1FE7, "\u03A5\u0308\u0342"}}};
    for (const auto& [from, upper] : others) {
      if (from == c) return std::string(upper);
    }
  }
  return encoded(towupper_l(c, unicode_locale()));
}

std::string to_title(char32_t c) {
  if (const SpecialCase* special = special_case(c)) return std::string(special->title);
  if (const char32_t title = digraph_title(c)) return encoded(title);
  if (georgian(c)) return encoded(c);
  std::string upper = to_upper(c);
  if (c < 0x1F80 || c > 0x1FFF || !upper.ends_with("Ι") || upper == "Ι") return upper;
  // Greek with iota below keeps it small.
  if (c <= 0x1FAF) return encoded(0x1F80 + (c - 0x1F80) / 16 * 16 + 8 + (c & 7));
  switch (c & 15) {
    case 3:
    case 12:
      return encoded((c & ~char32_t(15)) + 12);
    default:
      return upper.substr(0, upper.size() - 2) + "\u0345";
  }
}

std::string to_lower(char32_t c) {
  if (c < 0x80) return encoded(c >= 'A' && c <= 'Z' ? c + 32 : c);
  if (c == 0x130) return "i\u0307";
  return encoded(towlower_l(c, unicode_locale()));
}

}  // namespace troupe::model::jinja
