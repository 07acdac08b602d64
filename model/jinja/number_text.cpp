// Numbers from text and as text.
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "model/jinja/failure.hpp"
#include "model/jinja/numbers.hpp"
#include "model/jinja/unicode.hpp"

namespace troupe::model::jinja {
namespace {

std::string_view stripped(std::string_view text) {
  while (!text.empty()) {
    const CodePoint c = decode(text, 0);
    if (!is_space(c.value)) break;
    text.remove_prefix(c.size);
  }
  while (!text.empty()) {
    const CodePoint c = decode_before(text, text.size());
    if (!is_space(c.value)) break;
    text.remove_suffix(c.size);
  }
  return text;
}

bool take_sign(std::string_view& text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  return negative;
}

int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'z') return c - 'a' + 10;
  if (c >= 'A' && c <= 'Z') return c - 'A' + 10;
  return 99;
}

// Removes 0x, 0o, 0b where the base allows it and settles base 0.
bool take_prefix(std::string_view& text, int& base) {
  const int prefixed = text.size() < 2 || text[0] != '0'  ? 0
                       : text[1] == 'x' || text[1] == 'X' ? 16
                       : text[1] == 'o' || text[1] == 'O' ? 8
                       : text[1] == 'b' || text[1] == 'B' ? 2
                                                          : 0;
  const bool any = base == 0;
  if (prefixed != 0 && (any || base == prefixed)) {
    text.remove_prefix(2);
    if (text.starts_with('_')) text.remove_prefix(1);
    base = prefixed;
    return true;
  }
  if (any) {
    base = 10;
    // Python refuses 010, which C reads as octal.
    if (text.size() > 1 && text[0] == '0' && text.find_first_not_of("0_") != text.npos) return false;
  }
  return true;
}

}  // namespace

std::string to_string(Int value) {
  std::string reversed;
  using Unsigned = unsigned __int128;
  Unsigned left = value < 0 ? Unsigned(0) - Unsigned(value) : Unsigned(value);
  do {
    reversed += char('0' + int(left % 10));
    left /= 10;
  } while (left != 0);
  if (value < 0) reversed += '-';
  return {reversed.rbegin(), reversed.rend()};
}

std::string repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  std::array<char, 32> buffer;
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific);
  std::string_view text(buffer.data(), std::size_t(end.ptr - buffer.data()));
  std::string out;
  if (take_sign(text)) out += '-';
  const std::size_t e = text.find('e');
  const int exponent = std::atoi(std::string(text.substr(e + 1)).c_str());
  std::string digits(1, text[0]);
  if (e > 1) digits += text.substr(2, e - 2);
  if (exponent < -4 || exponent >= 16) {
    out += digits[0];
    if (digits.size() > 1) out.append(".").append(digits, 1);
    std::array<char, 16> tail;
    std::snprintf(tail.data(), tail.size(), "e%c%02d", exponent < 0 ? '-' : '+', std::abs(exponent));
    return out + tail.data();
  }
  if (exponent < 0) return out + "0." + std::string(std::size_t(-exponent - 1), '0') + digits;
  const std::size_t whole = std::size_t(exponent) + 1;
  if (digits.size() <= whole) return out + digits + std::string(whole - digits.size(), '0') + ".0";
  return out + digits.substr(0, whole) + "." + digits.substr(whole);
}

std::optional<Int> parse_int(std::string_view text, int base) {
  text = stripped(text);
  const bool negative = take_sign(text);
  if (!take_prefix(text, base) || text.empty()) return std::nullopt;
  Int value = 0;
  bool after_digit = false;
  for (const char c : text) {
    if (c == '_') {
      if (!after_digit) return std::nullopt;
      after_digit = false;
      continue;
    }
    const int digit = digit_value(c);
    if (digit >= base) return std::nullopt;
    if (__builtin_mul_overflow(value, Int(base), &value) ||
        __builtin_add_overflow(value, Int(digit), &value)) {
      throw Failure("makes an integer beyond 128 bits");
    }
    after_digit = true;
  }
  if (!after_digit) return std::nullopt;
  return negative ? -value : value;
}

std::optional<double> parse_float(std::string_view text) {
  text = stripped(text);
  const bool negative = take_sign(text);
  std::string lower;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '_') {
      const auto digit = [&](std::size_t at) { return at < text.size() && is_ascii_digit(text[at]); };
      if (i == 0 || !digit(i - 1) || !digit(i + 1)) return std::nullopt;
      continue;
    }
    lower += char(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]);
  }
  double value = 0;
  if (lower == "inf" || lower == "infinity") {
    value = std::numeric_limits<double>::infinity();
  } else if (lower == "nan") {
    value = std::numeric_limits<double>::quiet_NaN();
  } else {
    if (lower.empty() || !(is_ascii_digit(lower[0]) || lower[0] == '.')) return std::nullopt;
    const auto [end, error] = std::from_chars(lower.data(), lower.data() + lower.size(), value);
    if (error == std::errc::invalid_argument || end != lower.data() + lower.size()) return std::nullopt;
    if (error == std::errc::result_out_of_range) value = std::strtod(lower.c_str(), nullptr);
  }
  return negative ? -value : value;
}

}  // namespace troupe::model::jinja
