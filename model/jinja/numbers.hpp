// Python's integers and floats: text forms and arithmetic. Any thread. Throws Failure on overflow.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "model/jinja/value.hpp"

namespace troupe::model::jinja {

std::string to_string(Int value);
std::string repr(double value);  // the shortest digits that read back the same; "1e+16", "inf", "nan"

// What int(text, base) and float(text) accept: blanks around, underscores between digits, a sign, prefixes.
// Base 0 reads the prefix. nullopt: Python would raise ValueError.
std::optional<Int> parse_int(std::string_view text, int base);
std::optional<double> parse_float(std::string_view text);

Int to_int(double value);  // towards zero; throws for inf and nan
double to_double(Int value);

// The number of a bool, int or float; nullopt for others.
std::optional<Int> as_int(const Value& value);  // of a bool or int
std::optional<double> as_double(const Value& value);
inline bool is_number(const Value& value) {
  return value.is<bool>() || value.is<Int>() || value.is<double>();
}

enum class Arithmetic { add, subtract, multiply, divide, floor_divide, modulo, power };
Value arithmetic(Arithmetic op, const Value& left, const Value& right);  // both are numbers
Value negate(const Value& number);
Value absolute(const Value& number);

}  // namespace troupe::model::jinja
