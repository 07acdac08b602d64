#include "runtime/generation/choice_output.hpp"

namespace troupe::runtime {

ChoiceOutput::ChoiceOutput(const model::Tokenizer& tokenizer, ChoiceOutputOptions options)
    : tokenizer_(tokenizer),
      options_(std::move(options)),
      decoder_(tokenizer, false),
      stop_(options_.stop, options_.include_stop),
      parser_(options_.format) {}

// Special tokens are dropped here and not in the decoder, since the parser needs those that are markers.
bool ChoiceOutput::shown(TokenId token) const {
  return !options_.skip_special_tokens || !tokenizer_.is_special(token) ||
         parser_.is_marker(tokenizer_.token_bytes(token));
}

bool ChoiceOutput::push(TokenId token) {
  const bool may_stop = ++tokens_ > options_.min_tokens;
  if (!shown(token)) return false;
  parser_.push(stop_.push(decoder_.push(token), may_stop));
  if (stop_.matched()) parser_.finish();
  return stop_.matched() || parser_.over();
}

void ChoiceOutput::finish(bool cut_off) {
  parser_.push(stop_.push(decoder_.finish()));
  parser_.push(stop_.finish());
  parser_.finish(cut_off);
}

}  // namespace troupe::runtime
