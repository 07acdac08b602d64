#include "model/output/llama_calls.hpp"

#include <algorithm>
#include <array>

namespace troupe::model {

using Verdict = JsonCall::Verdict;

// Within a call the tag would be text of an argument.
std::span<const Marker> LlamaCalls::markers() const {
  static constexpr std::array all{Marker{tag, 0}};
  return std::span(all).first(state_ == State::call ? 0 : 1);
}

// Where a call may begin.
std::size_t LlamaCalls::begin(std::string_view text) {
  const std::string_view between = state_ == State::behind_call ? "; \t\r\n" : blanks;
  const auto solid = std::min(text.find_first_not_of(between), text.size());
  waiting_ += text.substr(0, solid);
  if (solid == text.size()) return solid;
  state_ = text[solid] == '{' ? State::call : State::content;
  if (state_ == State::call)
    call_ = {};
  else
    content_ += std::exchange(waiting_, {});
  return solid;
}

std::size_t LlamaCalls::text(std::string_view text, ToolCallWriter& calls) {
  if (state_ == State::content) {
    content_ += text;
    return text.size();
  }
  if (state_ != State::call) return begin(text);
  const std::size_t taken = call_.read(text, calls);
  if (call_.verdict() == Verdict::called || call_.verdict() == Verdict::over) waiting_.clear();
  if (call_.verdict() == Verdict::over) state_ = State::behind_call;
  if (call_.verdict() == Verdict::none) {
    content_ += std::exchange(waiting_, {}) + call_.seen();
    state_ = State::content;
  }
  return taken;
}

void LlamaCalls::marker(const Marker&, ToolCallWriter&) {
  state_ = State::beginning;
  waiting_.clear();
}

void LlamaCalls::finish(bool) {
  if (state_ == State::beginning) content_ += std::exchange(waiting_, {});
  if (state_ == State::call && call_.verdict() == Verdict::open)
    content_ += std::exchange(waiting_, {}) + call_.seen();
  state_ = State::content;
}

}  // namespace troupe::model
