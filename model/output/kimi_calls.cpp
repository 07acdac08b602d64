#include "model/output/kimi_calls.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace troupe::model {
namespace {

constexpr std::string_view before_name = "functions.";

// Of the head "functions.NAME:INDEX"; of one that has another form, what there is of it.
std::string_view name_in(std::string_view head) {
  if (head.starts_with(before_name)) head.remove_prefix(before_name.size());
  const auto colon = head.find_last_not_of("0123456789");
  const bool has_index = colon != head.npos && head[colon] == ':' && colon + 1 < head.size();
  return has_index ? head.substr(0, colon) : head;
}

}  // namespace

bool KimiCalls::is_marker(std::string_view token) {
  return token == opening || token == closing || token == call_begin || token == argument_begin ||
         token == call_end;
}

std::span<const Marker> KimiCalls::markers() const {
  static constexpr std::array between{Marker{call_begin, int(State::head)},
                                      Marker{closing, int(State::over)}};
  static constexpr std::array call{Marker{call_end, int(State::between_calls)},
                                   Marker{argument_begin, int(State::before_arguments)}};
  if (state_ == State::between_calls) return between;
  return std::span(call).first(state_ == State::head ? 2 : 1);
}

void KimiCalls::marker(const Marker& marker, ToolCallWriter& calls) {
  if (state_ == State::head) begin_call(calls);  // perhaps without arguments
  if (marker.text == call_end) calls.end();
  state_ = State(marker.next);
}

std::size_t KimiCalls::text(std::string_view text, ToolCallWriter& calls) {
  const std::string_view all = text;
  if (state_ == State::head) head_.add(text);
  if (state_ == State::before_arguments) {
    text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
    if (!text.empty()) state_ = State::arguments;
  }
  if (state_ == State::arguments) calls.arguments(text);
  return all.size();
}

void KimiCalls::begin_call(ToolCallWriter& calls) {
  const std::string whole = head_.take();
  const std::string_view head = trimmed(whole), name = name_in(head);
  const bool is_id = head.starts_with(before_name) && head.size() > before_name.size() + name.size();
  calls.begin(std::string(name), is_id ? std::string(head) : "");
}

}  // namespace troupe::model
