// What all forms of tool calls have in common: the pieces that calls are told in, who tells them, and the reader
// of a form. One owner, the output's parser.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/output/markers.hpp"

namespace troupe::model {

// In which form a model was trained to call tools.
enum class ToolCallSyntax : std::uint8_t {
  fenced,  // V3, R1: <｜tool▁call▁begin｜>function<｜tool▁sep｜>NAME, then the arguments in a ```json block
  bare,    // V3.1: <｜tool▁call▁begin｜>NAME<｜tool▁sep｜>ARGUMENTS<｜tool▁call▁end｜>
  dsml,    // V3.2: <｜DSML｜invoke name="NAME"> with a <｜DSML｜parameter> for each argument
  hermes,  // Qwen 2.5, Qwen 3: {"name": "NAME", "arguments": {...}} between <tool_call> and </tool_call>
  llama,   // Llama 3: {"name": "NAME", "parameters": {...}} as the whole answer
  kimi,  // Kimi K2: <|tool_call_begin|>functions.NAME:INDEX<|tool_call_argument_begin|>ARGUMENTS<|tool_call_end|>
};

struct ToolCallPiece {
  std::int32_t index = 0;
  bool begins = false;  // a call's first piece, which has its name
  std::string name;
  std::string arguments;
  std::string id;  // with the name, if the model has given the call one
};

// A tool's or an argument's name as it grows; what is beyond the limit is dropped.
class CallName {
 public:
  static constexpr std::size_t max_bytes = 1024;

  void add(std::string_view text);
  std::string take();  // whole characters; the next name begins
  std::string_view so_far() const { return text_; }

 private:
  std::string text_;
};

// Numbers the calls of an output and keeps their pieces until they are taken.
class ToolCallWriter {
 public:
  void begin(std::string name, std::string id = {});
  void arguments(std::string_view text);  // of the call that began last
  void end();

  std::vector<ToolCallPiece> take();
  int finished() const { return finished_; }
  bool in_call() const { return started_ > finished_; }

 private:
  std::vector<ToolCallPiece> pieces_;
  int started_ = 0, finished_ = 0;
};

// Reads what stands in one block of calls, in the form of one model.
class ToolCallForm {
 public:
  virtual ~ToolCallForm() = default;
  virtual std::span<const Marker> markers() const = 0;  // those that count now
  // Takes text from its beginning on; returns how much. Not all of it: other markers count for the rest.
  virtual std::size_t text(std::string_view text, ToolCallWriter& calls) = 0;
  virtual void marker(const Marker& marker, ToolCallWriter& calls) = 0;
  virtual bool over() const = 0;  // the block was closed
  // No more text comes. cut_off: the model would have gone on.
  virtual void finish(bool /*cut_off*/) {}
  // What has turned out to be no part of a call: it is told as content.
  virtual std::string take_content() { return {}; }
  virtual bool in_call() const { return true; }
};

constexpr std::string_view blanks = " \t\r\n";
std::string_view trimmed(std::string_view text);  // without blanks around it

}  // namespace troupe::model
