// Lines of JSON, read within limits, and filters that write one line for each. Main thread only.
#pragma once

#include <functional>
#include <iosfwd>
#include <nlohmann/json.hpp>

#include "runtime/base/error.hpp"

namespace troupe::launch {

constexpr std::size_t max_line_bytes = 16 << 20;
constexpr int max_line_depth = 100;  // objects and arrays within each other

// False at the end of the input. A line over the limit is read to its end and comes out cut, one byte too long.
bool read_line(std::istream& in, std::string& line);
Expected<void> check_length(const std::string& line);  // that read_line has not cut it

// answer gets each line's object. What it refuses, and a line that is too long, too deep, or no JSON object,
// gives {"error": sentence} and the next line is read. Throws Error if the output cannot be written.
void answer_json_lines(
    std::istream& in, std::ostream& out,
    const std::function<Expected<nlohmann::ordered_json>(const nlohmann::ordered_json&)>& answer);

}  // namespace troupe::launch
