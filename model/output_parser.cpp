#include "model/output_parser.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace troupe::model {
namespace {

constexpr std::string_view think = "<think>", end_think = "</think>";
constexpr std::string_view calls_begin = "<｜tool▁calls▁begin｜>", calls_end = "<｜tool▁calls▁end｜>";
constexpr std::string_view call_begin = "<｜tool▁call▁begin｜>", call_end = "<｜tool▁call▁end｜>";
constexpr std::string_view separator = "<｜tool▁sep｜>";

// Length of the longest end of text that is a proper beginning of marker.
std::size_t overlap(std::string_view text, std::string_view marker) {
  for (std::size_t n = std::min(text.size(), marker.size() - 1); n > 0; --n)
    if (text.ends_with(marker.substr(0, n))) return n;
  return 0;
}

}  // namespace

bool OutputParser::is_marker(std::string_view text) {
  return text == calls_begin || text == calls_end || text == call_begin || text == call_end ||
         text == separator;
}

OutputParser::OutputParser(OutputFormat format)
    : format_(format),
      state_(!format.reasoning            ? State::content
             : format.starts_in_reasoning ? State::reasoning
                                          : State::opening) {}

std::span<const OutputParser::Marker> OutputParser::markers() const {
  static constexpr std::array opening{Marker{think, State::reasoning},
                                      Marker{calls_begin, State::between_calls}};
  static constexpr std::array reasoning{Marker{end_think, State::content}};
  static constexpr std::array content{Marker{calls_begin, State::between_calls}};
  static constexpr std::array between{Marker{call_begin, State::name}, Marker{calls_end, State::content}};
  static constexpr std::array name{Marker{separator, State::arguments},
                                   Marker{call_end, State::between_calls}};
  static constexpr std::array arguments{Marker{call_end, State::between_calls}};
  switch (state_) {
    case State::opening:
      return std::span(opening).first(format_.tool_calls ? 2 : 1);
    case State::reasoning:
      return reasoning;
    case State::content:
      return std::span(content).first(format_.tool_calls ? 1 : 0);
    case State::between_calls:
      return between;
    case State::name:
      return name;
    case State::arguments:
      return arguments;
  }
  return {};
}

void OutputParser::emit(std::string_view text, ParsedOutput& out) {
  if (text.empty()) return;
  switch (state_) {
    case State::opening:  // the answer began without <think>
      state_ = State::content;
      [[fallthrough]];
    case State::content:
      out.content += text;
      return;
    case State::reasoning:
      out.reasoning += text;
      return;
    case State::between_calls:  // white space that models put between calls
      return;
    case State::name:
      name_ += text.substr(0, max_name_bytes - std::min(max_name_bytes, name_.size()));
      return;
    case State::arguments:
      if (out.tool_calls.empty() || out.tool_calls.back().index != started_calls_ - 1)
        out.tool_calls.push_back({started_calls_ - 1, false, "", ""});
      out.tool_calls.back().arguments += text;
      return;
  }
}

void OutputParser::enter(State next, ParsedOutput& out) {
  if (state_ == State::name) {  // the name is complete, with arguments behind it or none
    out.tool_calls.push_back({started_calls_++, true, std::move(name_), ""});
    name_.clear();
  }
  if ((state_ == State::name || state_ == State::arguments) && next == State::between_calls)
    ++finished_calls_;
  state_ = next;
}

void OutputParser::push(std::string_view text, ParsedOutput& out) {
  held_ += text;
  std::string_view rest = held_;
  for (;;) {
    const Marker* first = nullptr;
    std::size_t at = rest.size(), keep = 0;
    for (const Marker& marker : markers()) {
      if (const auto found = rest.find(marker.text); found < at) first = &marker, at = found;
      keep = std::max(keep, overlap(rest, marker.text));
    }
    if (!first) {
      const State before = state_;
      emit(rest.substr(0, rest.size() - keep), out);
      rest.remove_prefix(rest.size() - keep);
      if (state_ != before) continue;  // other markers count from here
      break;
    }
    const bool was_opening = state_ == State::opening;
    emit(rest.substr(0, at), out);
    if (was_opening && at > 0) {  // <think> opens only an output that begins with it
      rest.remove_prefix(at);
      continue;
    }
    enter(first->next, out);
    rest.remove_prefix(at + first->text.size());
  }
  held_ = std::string(rest);
}

void OutputParser::finish(ParsedOutput& out) {
  const std::string rest = std::exchange(held_, {});
  emit(rest, out);
}

}  // namespace troupe::model
