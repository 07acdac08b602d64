#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include "model/jinja/format.hpp"
#include "model/jinja/numbers.hpp"
#include "model/jinja/unicode.hpp"

namespace troupe::model::jinja {
namespace {

constexpr Int max_precision = 400;  // digits; a double has no more than 1100 in all, and nobody prints them

std::string grouped(std::string digits, char separator, std::size_t every) {
  const std::size_t whole = std::min(digits.find_first_not_of("0123456789abcdefABCDEF"), digits.size());
  for (std::size_t at = whole; at > every; at -= every) digits.insert(at - every, 1, separator);
  return digits;
}

std::string print_double(double value, int precision, char type, bool alternate) {
  const std::string format = std::string(alternate ? "%#.*" : "%.*") + type;
  std::vector<char> buffer(std::size_t(precision) + 400);
  std::snprintf(buffer.data(), buffer.size(), format.c_str(), precision, value);
  return buffer.data();
}

// Digits of a value that is not negative.
std::string float_digits(double value, const FormatSpec& spec) {
  if (spec.precision && *spec.precision > max_precision)
    throw Failure("formats a number with too many digits");
  const int precision = int(spec.precision.value_or(6));
  if (std::isnan(value)) return spec.type == 'E' || spec.type == 'F' || spec.type == 'G' ? "NAN" : "nan";
  if (std::isinf(value)) return spec.type == 'E' || spec.type == 'F' || spec.type == 'G' ? "INF" : "inf";
  if (spec.type == '%') return print_double(value * 100, precision, 'f', spec.alternate) + "%";
  if (spec.type != 0) return print_double(value, precision, spec.type, spec.alternate);
  if (!spec.precision) return repr(value);
  // No type but a precision: like g, with a digit after the point, and an exponent a place earlier.
  std::string text = print_double(value, std::max(precision, 1), 'g', false);
  const double limit = std::pow(10.0, std::max(precision, 1) - 1);
  if (text.find('e') == text.npos && value != 0 && value >= limit) {
    return print_double(value, std::max(precision, 1) - 1, 'e', false);
  }
  return text.find_first_of(".e") == text.npos ? text + ".0" : text;
}

std::string int_digits(Int value, const FormatSpec& spec) {
  const int base = spec.type == 'b'                       ? 2
                   : spec.type == 'o'                     ? 8
                   : spec.type == 'x' || spec.type == 'X' ? 16
                                                          : 10;
  std::string digits = to_string(value, base);
  if (digits.starts_with('-')) digits.erase(0, 1);
  if (spec.type == 'X') {
    for (char& c : digits) c = char(c >= 'a' ? c - 32 : c);
  }
  return digits;
}

}  // namespace

std::string format_number(const Value& number, const FormatSpec& spec) {
  const bool as_float =
      std::string_view("eEfFgG%").find(spec.type) != std::string_view::npos && spec.type != 0;
  const bool whole = as_int(number).has_value() && !as_float;
  if (!whole && spec.type != 0 && !as_float) throw Failure("formats a float as an integer");
  const bool negative = whole ? *as_int(number) < 0 : std::signbit(*as_double(number));
  std::string digits =
      whole ? int_digits(*as_int(number), spec) : float_digits(std::abs(*as_double(number)), spec);
  if (spec.group)
    digits = grouped(digits, spec.group,
                     spec.type && std::string_view("boxX").find(spec.type) != std::string_view::npos ? 4 : 3);
  std::string prefix = negative ? "-" : spec.sign == '-' ? "" : std::string(1, spec.sign);
  if (whole && spec.alternate && spec.type && spec.type != 'd') prefix += std::string("0") + spec.type;
  return prefix + digits;
}

void append_padded(TextWriter& out, const Text& body, const FormatSpec& spec, bool number) {
  const std::string_view bytes = body.bytes;
  std::size_t end = bytes.size();
  if (!number && spec.precision)
    end = byte_of(bytes, std::size_t(std::clamp<Int>(*spec.precision, 0, Int(end))));
  const Int missing = spec.width - Int(count_code_points(bytes.substr(0, end)));
  if (missing > Int(out.render().limits().text_bytes)) out.render().check_text(std::size_t(-1));
  const std::size_t all = missing > 0 ? std::size_t(missing) : 0;
  const char align = spec.align ? spec.align : number ? '>' : '<';
  std::size_t shown = 0;
  if (align == '=') {
    while (shown < end && std::string_view("+- ").find(bytes[shown]) != std::string_view::npos) ++shown;
    if (spec.alternate && end > shown + 1 && bytes[shown] == '0' && is_alpha(bytes[shown + 1])) shown += 2;
    out.append(body, 0, shown);
  }
  const std::size_t before = align == '<' ? 0 : align == '^' ? all / 2 : all;
  out.fill(spec.fill, before);
  out.append(body, shown, end);
  out.fill(spec.fill, all - before);
}

}  // namespace troupe::model::jinja
