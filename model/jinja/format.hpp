// Python's two ways of formatting: text % values, and text.format(values). One rendering's thread.
// Throws Failure for what Python refuses, and for the few types of format that are not offered.
#pragma once

#include "model/jinja/render.hpp"

namespace troupe::model::jinja {

Value format_percent(Render& render, const Text& text,
                     const Value& values);  // values: a tuple, a dict, or one
Value format_braces(Render& render, const Text& text, const Arguments& arguments);

// What stands between % and the type, or after the colon.
struct FormatSpec {
  std::string fill = " ";  // one character
  char align = 0;          // < > ^ = or 0 for the type's own
  char sign = '-';         // - + or space
  bool alternate = false;  // '#'
  char group = 0;          // , or _ between thousands
  Int width = 0;
  std::optional<Int> precision;
  char type = 0;
};

// A number in that format; no padding. type is one of d b o x X e E f F g G % or 0 (as str() does).
std::string format_number(const Value& number, const FormatSpec& spec);
// Appends body, cut to the precision where it is a string, padded to the width.
void append_padded(TextWriter& out, const Text& body, const FormatSpec& spec, bool number);

}  // namespace troupe::model::jinja
