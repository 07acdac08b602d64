// Takes apart what a DeepSeek model writes: reasoning, answer and tool calls (the form of V3.1's chat
// template: <tool_calls_begin><tool_call_begin>NAME<tool_sep>ARGUMENTS<tool_call_end>...<tool_calls_end>,
// each marker an added token of the tokenizer). Text may come in pieces of any size; the sum of the
// deltas is the same. One owner.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::model {

struct OutputFormat {
  bool reasoning = false;            // split at <think> and </think>
  bool starts_in_reasoning = false;  // the prompt ended with <think>
  bool tool_calls = false;
};

struct ToolCallPiece {
  std::int32_t index = 0;
  bool begins = false;  // a call's first piece, which has its name
  std::string name;
  std::string arguments;
};

struct ParsedOutput {
  std::string content, reasoning;
  std::vector<ToolCallPiece> tool_calls;
  bool empty() const { return content.empty() && reasoning.empty() && tool_calls.empty(); }
};

class OutputParser {
 public:
  static constexpr std::size_t max_name_bytes = 1024;  // of a tool; a longer one is cut off

  explicit OutputParser(OutputFormat format);
  static bool is_marker(std::string_view text);  // of tool calls

  // Appends to out what has become certain; text that may be the beginning of a marker waits.
  void push(std::string_view text, ParsedOutput& out);
  void finish(ParsedOutput& out);  // no more text: what waits is text
  int finished_calls() const { return finished_calls_; }

 private:
  enum class State { opening, reasoning, content, between_calls, name, arguments };
  struct Marker {
    std::string_view text;
    State next;
  };
  std::span<const Marker> markers() const;
  void emit(std::string_view text, ParsedOutput& out);
  void enter(State next, ParsedOutput& out);

  OutputFormat format_;
  State state_;
  std::string held_;  // may begin a marker
  std::string name_;
  int started_calls_ = 0, finished_calls_ = 0;
};

}  // namespace troupe::model
