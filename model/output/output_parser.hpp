// Takes apart what a DeepSeek model writes: reasoning, answer and tool calls, in whichever form it was trained on
// (marked_calls.hpp, dsml_calls.hpp); what it writes tells the form. Text may come in pieces of any size; the sum of
// the deltas is the same. One owner.
#pragma once

#include <array>
#include <memory>

#include "model/output/tool_calls.hpp"

namespace troupe::model {

struct OutputFormat {
  bool reasoning = false;            // split at <think> and </think>
  bool starts_in_reasoning = false;  // the prompt ended with <think>
  bool tool_calls = false;
  bool one_call = false;  // nothing is told behind the first
};

struct ParsedOutput {
  std::string content, reasoning;
  std::vector<ToolCallPiece> tool_calls;
  bool empty() const { return content.empty() && reasoning.empty() && tool_calls.empty(); }
};

class OutputParser {
 public:
  // White space before <think> that is waited through; an output that has more of it thinks not at all.
  static constexpr std::size_t max_leading_blanks = 64;
  static constexpr std::string_view begin_thoughts = "<think>", end_thoughts = "</think>";
  static constexpr std::size_t forms_of_calls = 2;
  // A tokenizer that has one of these is of a model that calls tools.
  static const std::array<std::string_view, forms_of_calls> tokens_of_tools;
  // What a block of calls begins with in an answer; the token of the same index stands in it.
  static const std::array<std::string_view, forms_of_calls> openings_of_calls;

  explicit OutputParser(OutputFormat format);
  // Is the token's text part of what tells the output's parts apart?
  bool is_marker(std::string_view token) const;

  // What has become certain is there to be taken; text that may be the beginning of a marker waits.
  void push(std::string_view text);
  // No more text: what waits is text. Cut off at its limit, an output may end within a tag, which is no text then: what
  // waits in a call is dropped, and elsewhere what no text but a tag's begins with.
  void finish(bool cut_off = false);
  ParsedOutput take();
  // What is written by now: thoughts, or what is told as content.
  bool thinks() const { return part() == State::reasoning; }
  bool answers() const { return part() == State::content; }
  int finished_calls() const { return calls_.finished(); }
  bool over() const { return format_.one_call && calls_.finished() > 0; }  // nothing more will be told

 private:
  enum class State { opening, reasoning, content, calls };
  // While it is not certain what the output opens with, it is what the prompt has begun.
  State part() const { return state_ == State::opening ? begun() : state_; }
  State begun() const { return format_.starts_in_reasoning ? State::reasoning : State::content; }
  bool open(std::string_view& rest);
  bool step(std::string_view& rest);
  std::span<const Marker> markers() const;
  void tell(std::string_view text);
  void enter(const Marker& marker);

  OutputFormat format_;
  State state_;
  std::string held_;  // not certain yet
  std::unique_ptr<ToolCallForm> form_;
  ToolCallWriter calls_;
  ParsedOutput ready_;  // but for the calls
};

}  // namespace troupe::model
