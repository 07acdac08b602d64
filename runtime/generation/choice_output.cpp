#include "runtime/generation/choice_output.hpp"

#include "runtime/base/utf8.hpp"

namespace troupe::runtime {
ChoiceOutput::ChoiceOutput(const model::Tokenizer& tokenizer, ChoiceOutputOptions options)
    : tokenizer_(tokenizer),
      options_(std::move(options)),
      decoder_(tokenizer, false),
      stop_(options_.stop, options_.include_stop),
      parser_(options_.format),
      guard_(options_.repetition) {
  if (options_.filter) filtered_.emplace(options_.filter);
}

// Special tokens are dropped here and not in the decoder, since the parser needs those that are markers.
bool ChoiceOutput::shown(TokenId token) const {
  return !options_.skip_special_tokens || !tokenizer_.is_special(token) ||
         parser_.is_marker(tokenizer_.token_bytes(token));
}

bool ChoiceOutput::push(TokenId token) {
  const bool may_stop = ++tokens_ > options_.min_tokens;
  const bool repeats = guard_.push(token) && may_stop;
  if (shown(token)) read(stop_.push(decoder_.push(token), may_stop));
  if (filtered()) return true;
  if (stop_.matched()) parser_.finish();
  if (stop_.matched() || parser_.over()) {
    end();
    return true;
  }
  repeats_ = repeats;
  if (repeats_) finish(true);
  return repeats_;
}

void ChoiceOutput::finish(bool cut_off) {
  read(stop_.push(decoder_.finish()));
  read(stop_.finish());
  if (filtered()) return;
  parser_.finish(cut_off);
  end();
}

// The text goes on to the parser, and what that tells to the filter.
void ChoiceOutput::read(std::string_view text) {
  if (!filtered_) return parser_.push(text);
  while (!text.empty() && !filtered_->stopped()) {
    const std::size_t size = character_from(text, 1);
    parser_.push(text.substr(0, size));
    filtered_->push(parser_.take());
    text.remove_prefix(size);
  }
}

// The parser tells nothing any more.
void ChoiceOutput::end() {
  if (!filtered_) return;
  filtered_->push(parser_.take());
  filtered_->finish();
}

model::ParsedOutput ChoiceOutput::take() {
  return filtered_ ? filtered_->take() : parser_.take();
}

std::vector<FilterMatch> ChoiceOutput::take_matches() {
  return filtered_ ? filtered_->take_matches() : std::vector<FilterMatch>();
}

bool ChoiceOutput::settled() const {
  return !filtered_ || !(decoder_.holds() || stop_.holds() || parser_.holds() || filtered_->holds());
}

}  // namespace troupe::runtime
