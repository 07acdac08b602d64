#include "model/output/marked_calls.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace troupe::model {
namespace {

constexpr std::string_view closing = "<｜tool▁calls▁end｜>", separator = "<｜tool▁sep｜>";
constexpr std::string_view call_begin = "<｜tool▁call▁begin｜>", call_end = MarkedCalls::call_end;

}  // namespace

bool MarkedCalls::is_marker(std::string_view token) {
  return token == opening || token == closing || token == call_begin || token == call_end ||
         token == separator;
}

std::span<const Marker> MarkedCalls::markers() const {
  static constexpr std::array between{Marker{call_begin, int(State::head)},
                                      Marker{closing, int(State::over)}};
  static constexpr std::array call{Marker{call_end, int(State::between_calls)},
                                   Marker{separator, int(State::behind_separator)}};
  if (state_ == State::between_calls) return between;
  return std::span(call).first(state_ == State::head ? 2 : 1);
}

void MarkedCalls::marker(const Marker& marker, ToolCallWriter& calls) {
  if (marker.text == call_end) {
    const bool nameless = state_ == State::head || state_ == State::behind_separator || state_ == State::name;
    if (nameless) begin_call(calls);  // and no arguments
    calls.end();
  }
  state_ = State(marker.next);
}

std::size_t MarkedCalls::text(std::string_view text, ToolCallWriter& calls) {
  for (std::string_view rest = text; !rest.empty();) rest.remove_prefix(take(rest, calls));
  return text.size();
}

// Takes what belongs to the present state from the beginning of text, which is not empty; returns how much, perhaps
// nothing if the state has changed.
std::size_t MarkedCalls::take(std::string_view text, ToolCallWriter& calls) {
  const auto until = [&](std::size_t at) { return std::min(at, text.size()); };
  const auto blank = until(text.find_first_not_of(blanks));
  switch (state_) {
    case State::head:
      name_.add(text);
      return text.size();
    case State::behind_separator:
      if (blank == text.size()) return blank;
      if (trimmed(name_.so_far()) == "function" && text[blank] != '{' && text[blank] != '`') {
        name_.take();
        state_ = State::name;
      } else {
        begin_call(calls);
        start_arguments(text[blank]);
      }
      return blank;
    case State::name:
      return take_name(text, calls);
    case State::before_arguments:
      if (blank < text.size()) start_arguments(text[blank]);
      return blank;
    case State::fence: {
      const auto end = text.find_first_of("\n{");
      if (end != text.npos) state_ = State::fenced_arguments;
      return until(end);
    }
    case State::fenced_arguments:
      return take_fenced(text, calls);
    case State::arguments:
      calls.arguments(text);
      return text.size();
    case State::between_calls:  // white space that models put between calls
    case State::behind_fence:
    case State::over:
      return text.size();
  }
  return text.size();
}

void MarkedCalls::begin_call(ToolCallWriter& calls) {
  calls.begin(std::string(trimmed(name_.take())));
}

std::size_t MarkedCalls::take_name(std::string_view text, ToolCallWriter& calls) {
  const auto end = std::min(text.find_first_of("\n`{"), text.size());
  name_.add(text.substr(0, end));
  if (end < text.size()) {
    begin_call(calls);
    state_ = State::before_arguments;
  }
  return end;
}

void MarkedCalls::start_arguments(char first) {
  state_ = first == '`' ? State::fence : State::arguments;
  begun_ = in_string_ = escaped_ = false;
  held_blanks_.clear();
}

std::size_t MarkedCalls::take_fenced(std::string_view text, ToolCallWriter& calls) {
  std::size_t end = 0;
  for (; end < text.size(); ++end) {
    const char c = text[end];
    if (!in_string_ && c == '`') {
      state_ = State::behind_fence;
      break;
    }
    if (!std::exchange(escaped_, in_string_ && c == '\\' && !escaped_) && c == '"') in_string_ = !in_string_;
  }
  text = text.substr(0, end);
  if (!begun_) text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
  const auto solid = in_string_ ? text.size() : text.find_last_not_of(blanks) + 1;
  if (solid > 0) {
    begun_ = true;
    calls.arguments(std::exchange(held_blanks_, {}));
    calls.arguments(text.substr(0, solid));
  }
  held_blanks_ += text.substr(solid);
  return end;
}

}  // namespace troupe::model
