// The patterns of a JSON schema's strings, in the words of which the engine makes strings of JSON. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "runtime/base/error.hpp"

namespace troupe::model {

// The engine leaves out what stands in JSON as an escape (quotes, backslashes, control characters), but only where it takes
// a pattern for an automaton. What else it would write as it is, and an answer might not be JSON: such patterns are refused.
// So is what check_regex() refuses. A pattern that is no regex the engine refuses itself.
Expected<std::string> usable_pattern(const std::string& pattern);

// The pattern of a format of which the engine's own would write what is no JSON; empty: its own is right, or it has none.
std::string_view pattern_of_format(std::string_view format);
// Whether it holds strings to the format, and so to no pattern beside it.
bool is_held_format(std::string_view format);

}  // namespace troupe::model
