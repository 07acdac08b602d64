// What of a regex the grammar engine would misread, or choke on. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "runtime/base/error.hpp"

namespace troupe::model {

// Each state of an answer costs a walk over the vocabulary, and each repetition is as many states.
constexpr std::size_t max_regex_repetition = 128;  // {m,n}
constexpr std::size_t max_regex_atoms = 2000;      // characters and classes, all repetitions written out

// Refuses by position (in bytes, from 1): too many repetitions, a ^ with something before it, something behind a $, and
// escapes that the engine takes for letters. What is no regex at all it refuses itself.
Expected<void> check_regex(std::string_view regex);

// With what `.` means written out: the engine takes the ends of lines for characters, too, which ECMAScript does not.
std::string with_dots_within_lines(std::string_view regex);

}  // namespace troupe::model
