// Turns the tokens of one generation into text while they come. One owner; the tokenizer outlives it.
#pragma once

#include <string>

#include "model/tokenizer/tokenizer.hpp"
#include "model/tokenizer/utf8.hpp"

namespace troupe::model {

// What push() and finally finish() return is, put together, Tokenizer::decode of all ids, where they are those of a whole
// text; no piece ends or begins inside a character.
class StreamDecoder {
 public:
  // begins_text: nothing stands before the text; a generation goes on with a prompt.
  StreamDecoder(const Tokenizer& tokenizer, bool skip_special, bool begins_text = false)
      : tokenizer_(&tokenizer),
        skip_special_(skip_special),
        drops_space_(begins_text && tokenizer.drops_first_space()) {}

  std::string push(TokenId id);                   // the text that is certain now; may be empty
  std::string finish();                           // an unfinished character becomes U+FFFD
  bool holds() const { return repair_.holds(); }  // the beginning of a character

 private:
  const Tokenizer* tokenizer_;
  bool skip_special_;
  bool drops_space_;  // if it comes next
  Utf8Repair repair_;
};

}  // namespace troupe::model
