// The form of tool calls of Llama 3, an answer that begins with a call, or several with semicolons between them:
//   {"name": "NAME", "parameters": {...}}
// A <|python_tag|> may stand before it, and so begin it anywhere in an answer. It reads the whole answer and tells as content
// what is no call. One owner.
#pragma once

#include <utility>

#include "model/output/json_call.hpp"
#include "model/output/tool_calls.hpp"

namespace troupe::model {

class LlamaCalls final : public ToolCallForm {
 public:
  static constexpr std::string_view tag = "<|python_tag|>";

  std::span<const Marker> markers() const override;
  std::size_t text(std::string_view text, ToolCallWriter& calls) override;
  void marker(const Marker& marker, ToolCallWriter& calls) override;
  bool over() const override { return false; }
  void finish(bool cut_off) override;
  std::string take_content() override { return std::exchange(content_, {}); }
  bool in_call() const override { return state_ == State::call; }

 private:
  enum class State : std::uint8_t { beginning, call, behind_call, content };
  std::size_t begin(std::string_view text);

  State state_ = State::beginning;
  JsonCall call_;
  std::string waiting_, content_;  // waiting: white space before what may be a call, and semicolons
};

}  // namespace troupe::model
