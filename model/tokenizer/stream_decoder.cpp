#include "model/tokenizer/stream_decoder.hpp"

namespace troupe::model {

std::string StreamDecoder::push(TokenId id) {
  std::string text;
  if (!(skip_special_ && tokenizer_->is_special(id))) repair_.push(tokenizer_->token_bytes(id), text);
  return text;
}

std::string StreamDecoder::finish() {
  std::string text;
  repair_.finish(text);
  return text;
}

}  // namespace troupe::model
