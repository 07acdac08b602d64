#include "model/jinja/numbers.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "model/jinja/failure.hpp"
#include "model/jinja/unicode.hpp"

namespace troupe::model::jinja {
namespace {

using Unsigned = unsigned __int128;
constexpr Int int_min = Int(Unsigned(1) << 127);

[[noreturn]] void overflow() {
  throw Failure("makes an integer beyond 128 bits");
}

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

Int multiplied(Int a, Int b) {
  Int product;
  if (__builtin_mul_overflow(a, b, &product)) overflow();
  return product;
}

Value power(Int base, Int exponent, bool plain) {
  if (exponent < 0) {
    if (base == 0) throw Failure("raises zero to a negative power");
    return Value(std::pow(to_double(base), to_double(exponent)), plain);
  }
  Int result = 1;
  for (;;) {
    if (exponent & 1) result = multiplied(result, base);
    exponent >>= 1;
    if (exponent == 0 || base == 1 || base == 0) return Value(result, plain);
    base = multiplied(base, base);
  }
}

Value on_ints(Arithmetic op, Int a, Int b, bool plain) {
  Int result = 0;
  switch (op) {
    case Arithmetic::add:
      if (__builtin_add_overflow(a, b, &result)) overflow();
      return Value(result, plain);
    case Arithmetic::subtract:
      if (__builtin_sub_overflow(a, b, &result)) overflow();
      return Value(result, plain);
    case Arithmetic::multiply:
      return Value(multiplied(a, b), plain);
    case Arithmetic::power:
      return power(a, b, plain);
    default:
      break;
  }
  if (b == 0) throw Failure("divides by zero");
  if (op == Arithmetic::divide) return Value(to_double(a) / to_double(b), plain);
  if (a == int_min && b == -1) overflow();
  const Int remainder = a % b;
  const bool adjust = remainder != 0 && (remainder < 0) != (b < 0);  // towards minus infinity
  if (op == Arithmetic::modulo) return Value(adjust ? remainder + b : remainder, plain);
  return Value(a / b - (adjust ? 1 : 0), plain);
}

// CPython's float_divmod.
std::pair<double, double> floor_divmod(double a, double b) {
  double remainder = std::fmod(a, b);
  double quotient = (a - remainder) / b;
  if (remainder != 0) {
    if ((b < 0) != (remainder < 0)) {
      remainder += b;
      quotient -= 1;
    }
  } else {
    remainder = std::copysign(0.0, b);
  }
  double floored = quotient == 0 ? std::copysign(0.0, a / b) : std::floor(quotient);
  if (quotient - floored > 0.5) floored += 1;
  return {floored, remainder};
}

Value on_doubles(Arithmetic op, double a, double b, bool plain) {
  switch (op) {
    case Arithmetic::add:
      return Value(a + b, plain);
    case Arithmetic::subtract:
      return Value(a - b, plain);
    case Arithmetic::multiply:
      return Value(a * b, plain);
    case Arithmetic::power: {
      if (a == 0 && b < 0) throw Failure("raises zero to a negative power");
      if (a < 0 && std::isfinite(b) && b != std::floor(b)) throw Failure("makes a complex number");
      const double result = std::pow(a, b);
      if (std::isinf(result) && std::isfinite(a) && std::isfinite(b))
        throw Failure("makes a float too large");
      return Value(result, plain);
    }
    default:
      break;
  }
  if (b == 0) throw Failure("divides by zero");
  if (op == Arithmetic::divide) return Value(a / b, plain);
  const auto [quotient, remainder] = floor_divmod(a, b);
  return Value(op == Arithmetic::modulo ? remainder : quotient, plain);
}

Int round_int(Int value, int digits) {
  if (digits >= 0) return value;
  if (digits < -38) return 0;
  Int unit = 1;
  for (int i = 0; i < -digits; ++i) unit *= 10;
  Int remainder = value % unit;
  if (remainder < 0) remainder += unit;
  const Int half = unit / 2;
  const Int down = value - remainder;
  const bool odd = (down / unit) % 2 != 0;
  return remainder > half || (remainder == half && odd) ? down + unit : down;
}

double round_double(double value, int digits) {
  if (!std::isfinite(value) || digits > 323) return value;
  if (digits < -308) return std::copysign(0.0, value);
  if (digits < 0) {
    const double unit = std::pow(10.0, -digits);
    return std::nearbyint(value / unit) * unit;
  }
  // The C library prints exactly and rounds halves to even.
  std::array<char, 700> digits_of;
  std::snprintf(digits_of.data(), digits_of.size(), "%.*f", digits, value);
  return std::strtod(digits_of.data(), nullptr);
}

}  // namespace

std::string to_string(Int value) {
  return to_string(value, 10);
}

std::string to_string(Int value, int base) {
  std::string reversed;
  Unsigned left = value < 0 ? Unsigned(0) - Unsigned(value) : Unsigned(value);
  do {
    reversed += "0123456789abcdef"[int(left % base)];
    left /= base;
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
    value = multiplied(value, base);
    if (__builtin_add_overflow(value, Int(digit), &value)) overflow();
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
      const auto digit = [&](std::size_t at) { return at < text.size() && is_digit(text[at]); };
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
    if (lower.empty() || !(is_digit(lower[0]) || lower[0] == '.')) return std::nullopt;
    const auto [end, error] = std::from_chars(lower.data(), lower.data() + lower.size(), value);
    if (error == std::errc::invalid_argument || end != lower.data() + lower.size()) return std::nullopt;
    if (error == std::errc::result_out_of_range) value = std::strtod(lower.c_str(), nullptr);
  }
  return negative ? -value : value;
}

Int to_int(double value) {
  if (!std::isfinite(value)) throw Failure("makes an integer of an infinity or of no number");
  if (std::abs(value) >= 0x1p127) overflow();
  return Int(value);
}

double to_double(Int value) {
  return double(value);
}

std::optional<Int> as_int(const Value& value) {
  if (value.is<bool>()) return Int(value.get<bool>());
  if (value.is<Int>()) return value.get<Int>();
  return std::nullopt;
}

std::optional<double> as_double(const Value& value) {
  if (value.is<double>()) return value.get<double>();
  if (const auto whole = as_int(value)) return to_double(*whole);
  return std::nullopt;
}

Value arithmetic(Arithmetic op, const Value& left, const Value& right) {
  const bool plain = left.plain || right.plain;
  const auto a = as_int(left), b = as_int(right);
  if (a && b) return on_ints(op, *a, *b, plain);
  return on_doubles(op, *as_double(left), *as_double(right), plain);
}

Value negate(const Value& number) {
  if (number.is<double>()) return Value(-number.get<double>(), number.plain);
  return on_ints(Arithmetic::subtract, 0, *as_int(number), number.plain);
}

Value absolute(const Value& number) {
  if (number.is<double>()) return Value(std::abs(number.get<double>()), number.plain);
  return *as_int(number) < 0 ? negate(number) : Value(*as_int(number), number.plain);
}

Value round_to(const Value& number, int digits) {
  if (number.is<double>()) return Value(round_double(number.get<double>(), digits), number.plain);
  return Value(round_int(*as_int(number), digits), number.plain);
}

}  // namespace troupe::model::jinja
