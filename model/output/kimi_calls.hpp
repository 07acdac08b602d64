// The form of tool calls of Kimi K2, whose parts stand between tokens of the tokenizer:
//   <|tool_calls_section_begin|>
//   <|tool_call_begin|>functions.NAME:INDEX<|tool_call_argument_begin|>ARGUMENTS<|tool_call_end|>
//   ...
//   <|tool_calls_section_end|>
// without line ends between them. What stands before the arguments is the call's id, too, by which the model knows its
// result. One owner.
#pragma once

#include "model/output/tool_calls.hpp"

namespace troupe::model {

class KimiCalls final : public ToolCallForm {
 public:
  static constexpr std::string_view opening = "<|tool_calls_section_begin|>",
                                    closing = "<|tool_calls_section_end|>",
                                    call_begin = "<|tool_call_begin|>",
                                    argument_begin = "<|tool_call_argument_begin|>",
                                    call_end = "<|tool_call_end|>";
  static bool is_marker(std::string_view token);

  std::span<const Marker> markers() const override;
  std::size_t text(std::string_view text, ToolCallWriter& calls) override;
  void marker(const Marker& marker, ToolCallWriter& calls) override;
  bool over() const override { return state_ == State::over; }

 private:
  enum class State { between_calls, head, before_arguments, arguments, over };
  void begin_call(ToolCallWriter& calls);  // its head is complete

  State state_ = State::between_calls;
  CallName head_;
};

}  // namespace troupe::model
