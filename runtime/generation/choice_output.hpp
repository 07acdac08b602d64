// The text side of one choice: tokens in, whole characters out, through the stream decoder, the stop strings
// and the output parser. One owner; the tokenizer outlives it.
#pragma once

#include "model/output/output_parser.hpp"
#include "model/tokenizer/stream_decoder.hpp"
#include "runtime/generation/stop_strings.hpp"

namespace troupe::runtime {

struct ChoiceOutputOptions {
  std::vector<std::string> stop{};
  bool include_stop = false;    // the stop string stays in the text
  std::int32_t min_tokens = 0;  // a stop string that ends within so many is none
  bool skip_special_tokens = true;
  model::OutputFormat format{};
};

class ChoiceOutput {
 public:
  ChoiceOutput(const model::Tokenizer& tokenizer, ChoiceOutputOptions options);

  // True if nothing may follow this token: a stop string came to its end, or the only call that is wanted.
  bool push(TokenId token);
  void finish(bool cut_off);  // the sequence ended for another reason; see OutputParser

  model::ParsedOutput take() { return parser_.take(); }  // what became certain since the last call
  const std::string& matched_stop() const { return stop_.match(); }  // empty: none
  bool thinks() const { return parser_.thinks(); }    // what was pushed last, or the text that goes on
  bool answers() const { return parser_.answers(); }  // likewise
  bool called_tools() const { return parser_.finished_calls() > 0; }
  bool in_call() const { return parser_.in_call(); }

 private:
  bool shown(TokenId token) const;

  const model::Tokenizer& tokenizer_;
  ChoiceOutputOptions options_;
  model::StreamDecoder decoder_;
  StopStrings stop_;
  model::OutputParser parser_;
  std::int32_t tokens_ = 0;  // pushed
};

}  // namespace troupe::runtime
