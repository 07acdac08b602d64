// Turns the tokens of one generation into text while they come. One owner; the tokenizer outlives it.
#pragma once

#include <string>

#include "model/tokenizer/tokenizer.hpp"
#include "model/tokenizer/utf8.hpp"

namespace troupe::model {

// What push() and finally finish() return is, put together, Tokenizer::decode of all ids; no piece ends or
// begins inside a character.
class StreamDecoder {
 public:
  StreamDecoder(const Tokenizer& tokenizer, bool skip_special)
      : tokenizer_(&tokenizer), skip_special_(skip_special) {}

  std::string push(TokenId id);  // the text that is certain now; may be empty
  std::string finish();          // an unfinished character becomes U+FFFD

 private:
  const Tokenizer* tokenizer_;
  bool skip_special_;
  Utf8Repair repair_;
};

}  // namespace troupe::model
