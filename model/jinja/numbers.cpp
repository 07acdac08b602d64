#include "model/jinja/numbers.hpp"

#include <cmath>

#include "model/jinja/failure.hpp"

namespace troupe::model::jinja {
namespace {

constexpr Int int_min = Int(static_cast<unsigned __int128>(1) << 127);

[[noreturn]] void overflow() {
  throw Failure("makes an integer beyond 128 bits");
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

}  // namespace

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

}  // namespace troupe::model::jinja
