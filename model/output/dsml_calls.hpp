// The form of tool calls of DeepSeek V3.2 (encoding_dsv32.py of its publication):
//   <｜DSML｜function_calls>
//   <｜DSML｜invoke name="NAME">
//   <｜DSML｜parameter name="KEY" string="true|false">VALUE</｜DSML｜parameter>
//   ...
//   </｜DSML｜invoke>
//   ...
//   </｜DSML｜function_calls>
// The arguments become a JSON object as they come: a value with string="true" is escaped, any other is JSON already.
// One owner.
#pragma once

#include "model/output/tool_calls.hpp"

namespace troupe::model {

class DsmlCalls final : public ToolCallForm {
 public:
  static constexpr std::string_view opening = "<｜DSML｜function_calls>";
  static constexpr std::string_view token = "｜DSML｜";  // of the tokenizer, in each marker

  std::span<const Marker> markers() const override;
  std::size_t text(std::string_view text, ToolCallWriter& calls) override;
  void marker(const Marker& marker, ToolCallWriter& calls) override;
  bool over() const override { return state_ == State::over; }

 private:
  enum class State { between_calls, name, between_parameters, key, string_value, json_value, over };

  State state_ = State::between_calls;
  CallName name_;  // of the tool, or of a parameter
  bool has_parameters_ = false;
};

}  // namespace troupe::model
