// The text side of one choice: tokens in, whole characters out, through the stream decoder, the stop strings, the output
// parser and the operator's filter. One owner; the tokenizer outlives it.
#pragma once

#include <optional>

#include "model/output/output_parser.hpp"
#include "model/tokenizer/stream_decoder.hpp"
#include "runtime/generation/filtered_output.hpp"
#include "runtime/generation/repetition_guard.hpp"
#include "runtime/generation/stop_strings.hpp"

namespace troupe::runtime {

struct ChoiceOutputOptions {
  std::vector<std::string> stop{};
  bool include_stop = false;    // the stop string stays in the text
  std::int32_t min_tokens = 0;  // a stop string or a repetition that ends within so many is none
  bool skip_special_tokens = true;
  model::OutputFormat format{};
  RepetitionLimits repetition{};
  std::shared_ptr<const OutputFilter> filter{};  // null: all that the model writes is told
};

class ChoiceOutput {
 public:
  ChoiceOutput(const model::Tokenizer& tokenizer, ChoiceOutputOptions options);

  // True if nothing may follow this token: a stop string came to its end, or the only call that is wanted, or it goes round in
  // circles, or the filter has stopped it.
  bool push(TokenId token);
  void finish(bool cut_off);  // the sequence ended for another reason; see OutputParser

  model::ParsedOutput take();               // what became certain since the last call
  std::vector<FilterMatch> take_matches();  // of the filter, likewise
  const std::string& matched_stop() const { return stop_.match(); }  // empty: none
  bool thinks() const { return parser_.thinks(); }    // what was pushed last, or the text that goes on
  bool answers() const { return parser_.answers(); }  // likewise
  bool called_tools() const { return parser_.finished_calls() > 0; }
  bool in_call() const { return parser_.in_call() || (filtered_ && filtered_->stopped_in_call()); }
  bool repeats() const { return repeats_; }                            // which ended it
  bool filtered() const { return filtered_ && filtered_->stopped(); }  // likewise
  // No text of what was pushed waits for a filter, which may change it.
  bool settled() const;

 private:
  bool shown(TokenId token) const;
  void read(std::string_view text);
  void end();

  const model::Tokenizer& tokenizer_;
  ChoiceOutputOptions options_;
  model::StreamDecoder decoder_;
  StopStrings stop_;
  model::OutputParser parser_;
  std::optional<FilteredOutput> filtered_;
  RepetitionGuard guard_;
  std::int32_t tokens_ = 0;  // pushed
  bool repeats_ = false;
};

}  // namespace troupe::runtime
