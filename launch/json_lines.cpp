#include "launch/json_lines.hpp"

#include <istream>
#include <ostream>
#include <string>

namespace troupe::launch {
namespace {

using nlohmann::ordered_json;

Expected<ordered_json> parse_line(const std::string& line) {
  if (const auto ok = check_length(line); !ok) return tl::unexpected(ok.error());
  bool too_deep = false;
  const auto bound = [&](int depth, ordered_json::parse_event_t event, ordered_json&) {
    const bool opens = event == ordered_json::parse_event_t::object_start ||
                       event == ordered_json::parse_event_t::array_start;
    if (opens && depth >= max_line_depth) too_deep = true;
    return !too_deep;  // a value that is not kept costs no memory
  };
  ordered_json value = ordered_json::parse(line, bound, false);
  if (too_deep) return refuse("the line nests deeper than " + std::to_string(max_line_depth));
  if (value.is_discarded() || !value.is_object()) return refuse("the line is not a JSON object");
  return value;
}

}  // namespace

bool read_line(std::istream& in, std::string& line) {
  line.clear();
  std::streambuf& buffer = *in.rdbuf();
  for (int c = buffer.sbumpc(); c != std::char_traits<char>::eof(); c = buffer.sbumpc()) {
    if (c == '\n') return true;
    if (line.size() <= max_line_bytes) line += char(c);
  }
  return !line.empty();
}

Expected<void> check_length(const std::string& line) {
  if (line.size() <= max_line_bytes) return {};
  return refuse("the line is longer than " + std::to_string(max_line_bytes) + " bytes");
}

void answer_json_lines(std::istream& in, std::ostream& out,
                       const std::function<Expected<ordered_json>(const ordered_json&)>& answer) {
  for (std::string line; read_line(in, line);) {
    Expected<ordered_json> answered = parse_line(line).and_then(answer);
    const ordered_json shown = answered ? *answered : ordered_json{{"error", answered.error().message}};
    out << shown.dump(-1, ' ', false, ordered_json::error_handler_t::replace) << '\n' << std::flush;
    if (!out) throw Error("cannot be written", "standard output");
  }
}

}  // namespace troupe::launch
