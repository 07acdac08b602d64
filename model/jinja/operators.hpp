// Python's operators on any values. One rendering's thread. Throws Failure for a TypeError.
#pragma once

#include "model/jinja/numbers.hpp"
#include "model/jinja/render.hpp"

namespace troupe::model::jinja {

enum class Comparison { equal, not_equal, less, less_equal, greater, greater_equal, in, not_in };

// Numbers; and for strings and sequences +, and * by an integer.
Value binary(Render& render, Arithmetic op, const Value& left, const Value& right);
Value unary(bool minus, const Value& value);  // -value or +value
bool compare(Render& render, Comparison op, const Value& left, const Value& right);

// Calls a method, macro or global function.
Value call(Render& render, const Value& callee, const Arguments& arguments);

}  // namespace troupe::model::jinja
