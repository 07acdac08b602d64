// The form of tool calls of Qwen 2.5 and Qwen 3, which Hermes had first; each call is a block:
//   <tool_call>
//   {"name": "NAME", "arguments": {...}}
//   </tool_call>
// A block that has no call in it is told as content, as it stands. One owner.
#pragma once

#include <utility>

#include "model/output/json_call.hpp"
#include "model/output/tool_calls.hpp"

namespace troupe::model {

class HermesCalls final : public ToolCallForm {
 public:
  static constexpr std::string_view opening = "<tool_call>", closing = "</tool_call>";

  // opened_by: what stood there, opening and the empty lines before it.
  explicit HermesCalls(std::string_view opened_by) : opened_by_(opened_by) {}

  std::span<const Marker> markers() const override;
  std::size_t text(std::string_view text, ToolCallWriter& calls) override;
  void marker(const Marker& marker, ToolCallWriter& calls) override;
  bool over() const override { return over_; }
  void finish(bool cut_off) override;
  std::string take_content() override { return std::exchange(content_, {}); }

 private:
  void release();

  std::string opened_by_, content_;
  JsonCall call_;
  bool over_ = false, released_ = false;
};

}  // namespace troupe::model
