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

struct ToolCallPiece {
  std::int32_t index = 0;
  bool begins = false;  // a call's first piece, which has its name
  std::string name;
  std::string arguments;
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
  void begin(std::string name);
  void arguments(std::string_view text);  // of the call that began last
  void end();

  std::vector<ToolCallPiece> take();
  int finished() const { return finished_; }

 private:
  std::vector<ToolCallPiece> pieces_;
  int started_ = 0, finished_ = 0;
};

// Reads what stands in one block of calls, in the form of one model.
class ToolCallForm {
 public:
  virtual ~ToolCallForm() = default;
  virtual std::span<const Marker> markers() const = 0;  // those that count now
  virtual void text(std::string_view text, ToolCallWriter& calls) = 0;
  virtual void marker(const Marker& marker, ToolCallWriter& calls) = 0;
  virtual bool over() const = 0;  // the block was closed
};

constexpr std::string_view blanks = " \t\r\n";
std::string_view trimmed(std::string_view text);  // without blanks around it

}  // namespace troupe::model
