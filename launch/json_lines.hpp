// Filters that read JSON lines and write one JSON line for each. Main thread only.
#pragma once

#include <functional>
#include <iosfwd>
#include <nlohmann/json.hpp>

#include "runtime/base/error.hpp"

namespace troupe::launch {

constexpr std::size_t max_line_bytes = 16 << 20;
constexpr int max_line_depth = 100;  // objects and arrays within each other

// answer gets each line's object. What it refuses, and a line that is too long, too deep, or no JSON object,
// gives {"error": sentence} and the next line is read. Throws Error if the output cannot be written.
void answer_json_lines(
    std::istream& in, std::ostream& out,
    const std::function<Expected<nlohmann::ordered_json>(const nlohmann::ordered_json&)>& answer);

}  // namespace troupe::launch
