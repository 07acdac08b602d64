// Takes apart what a model writes: reasoning, answer and tool calls, in the form it was trained on (marked_calls.hpp,
// dsml_calls.hpp, hermes_calls.hpp, llama_calls.hpp, kimi_calls.hpp); which of DeepSeek's it is, what it writes tells. Text may come in
// pieces of any size; the sum of the deltas is the same. One owner.
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
  ToolCallSyntax syntax = ToolCallSyntax::bare;
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
  // What a block of calls may begin with in an answer; none: an answer is one. At most max_openings.
  static constexpr std::size_t max_openings = 2;
  static std::span<const std::string_view> openings_of_calls(ToolCallSyntax syntax);
  // Those of which a tokenizer has one where a model that has such openings calls tools.
  static std::span<const std::string_view> tokens_of_calls(ToolCallSyntax syntax);

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
  bool answers() const {
    return part() == State::content || (part() == State::calls && form_ && !form_->in_call());
  }
  int finished_calls() const { return calls_.finished(); }
  bool in_call() const { return calls_.in_call(); }                        // one has begun, and not ended
  bool over() const { return format_.one_call && calls_.finished() > 0; }  // nothing more will be told
  // Of what was pushed, text waits that is no white space, or what it belongs to is a call that goes on.
  bool holds() const { return !held_.empty() || (state_ == State::calls && form_->in_call()); }

 private:
  enum class State { opening, reasoning, content, calls };
  // While it is not certain what the output opens with, it is what the prompt has begun.
  State part() const { return state_ == State::opening ? begun() : state_; }
  State begun() const { return format_.starts_in_reasoning ? State::reasoning : State::content; }
  bool open(std::string_view& rest);
  bool step(std::string_view& rest);
  void begin(State state);
  std::span<const Marker> markers() const;
  std::size_t tell(std::string_view text);
  void take_content_of_calls();
  void enter(const Marker& marker);

  OutputFormat format_;
  State state_;
  std::string held_;  // not certain yet
  std::unique_ptr<ToolCallForm> form_;
  ToolCallWriter calls_;
  ParsedOutput ready_;  // but for the calls
};

}  // namespace troupe::model
