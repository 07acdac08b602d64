// The forms of tool calls whose parts stand between tokens of the tokenizer:
//   V3, R1, R1-0528  <calls_begin><call_begin>function<sep>NAME\n```json\nARGUMENTS\n```<call_end>...<calls_end>
//   V3.1             <calls_begin><call_begin>NAME<sep>ARGUMENTS<call_end>...<calls_end>
// as their chat templates write them. What a call looks like tells which it is, so a model that mixes them is
// understood, too: a tool's name begins with no brace, and arguments with no letter. One owner.
#pragma once

#include "model/output/tool_calls.hpp"

namespace troupe::model {

class MarkedCalls final : public ToolCallForm {
 public:
  static constexpr std::string_view opening = "<｜tool▁calls▁begin｜>";
  static constexpr std::string_view call_end = "<｜tool▁call▁end｜>";
  static bool is_marker(std::string_view token);

  std::span<const Marker> markers() const override;
  std::size_t text(std::string_view text, ToolCallWriter& calls) override;
  void marker(const Marker& marker, ToolCallWriter& calls) override;
  bool over() const override { return state_ == State::over; }

 private:
  enum class State {
    between_calls,
    head,              // before the separator: the tool's name, or "function"
    behind_separator,  // nothing but white space so far
    name,              // behind "function" and the separator
    before_arguments,  // nothing but white space so far
    fence,             // its line
    fenced_arguments,
    arguments,  // as they are
    behind_fence,
    over
  };
  std::size_t take(std::string_view text, ToolCallWriter& calls);
  std::size_t take_name(std::string_view text, ToolCallWriter& calls);
  std::size_t take_fenced(std::string_view text, ToolCallWriter& calls);
  void begin_call(ToolCallWriter& calls);  // its name is complete
  void start_arguments(char first);

  State state_ = State::between_calls;
  CallName name_;
  // Within fenced arguments: a fence ends them outside of a JSON string only, and white space around them is dropped.
  bool begun_ = false, in_string_ = false, escaped_ = false;
  std::string held_blanks_;  // none of them if the fence follows
};

}  // namespace troupe::model
