#include "model/output/dsml_calls.hpp"

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

namespace troupe::model {
namespace {

// What text becomes within a JSON string. Byte by byte, since a character may come in two pieces.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool control = static_cast<unsigned char>(c) < 0x20;
    if (!control && c != '"' && c != '\\') {
      out += c;
      continue;
    }
    const std::string quoted = nlohmann::json(std::string(1, c)).dump();
    out.append(quoted, 1, quoted.size() - 2);
  }
  return out;
}

}  // namespace

std::span<const Marker> DsmlCalls::markers() const {
  static constexpr std::array calls{Marker{"<｜DSML｜invoke name=\"", int(State::name)},
                                    Marker{"</｜DSML｜function_calls>", int(State::over)}};
  static constexpr std::array name{Marker{"\">", int(State::between_parameters)}};
  static constexpr std::array parameters{Marker{"<｜DSML｜parameter name=\"", int(State::key)},
                                         Marker{"</｜DSML｜invoke>", int(State::between_calls)}};
  static constexpr std::array key{Marker{"\" string=\"true\">", int(State::string_value)},
                                  Marker{"\" string=\"false\">", int(State::json_value)},
                                  Marker{"\">", int(State::string_value)}};
  static constexpr std::array value{Marker{"</｜DSML｜parameter>", int(State::between_parameters)}};
  switch (state_) {
    case State::between_calls:
      return calls;
    case State::name:
      return name;
    case State::between_parameters:
      return parameters;
    case State::key:
      return key;
    case State::string_value:
    case State::json_value:
      return value;
    case State::over:
      return {};
  }
  return {};
}

std::size_t DsmlCalls::text(std::string_view text, ToolCallWriter& calls) {
  if (state_ == State::name || state_ == State::key) name_.add(text);
  if (state_ == State::string_value) calls.arguments(escaped(text));
  if (state_ == State::json_value) calls.arguments(text);
  return text.size();
}

void DsmlCalls::marker(const Marker& marker, ToolCallWriter& calls) {
  const State before = std::exchange(state_, State(marker.next));
  if (before == State::name) {
    calls.begin(name_.take());
    has_parameters_ = false;
  }
  if (before == State::key) {
    calls.arguments((std::exchange(has_parameters_, true) ? ", \"" : "{\"") + escaped(name_.take()) + "\": ");
    if (state_ == State::string_value) calls.arguments("\"");
  }
  if (before == State::string_value) calls.arguments("\"");
  if (before == State::between_parameters && state_ == State::between_calls) {
    calls.arguments(has_parameters_ ? "}" : "{}");
    calls.end();
  }
}

}  // namespace troupe::model
