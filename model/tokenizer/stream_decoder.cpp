#include "model/tokenizer/stream_decoder.hpp"

#include <utility>

namespace troupe::model {

std::string StreamDecoder::push(TokenId id) {
  std::string text;
  if (skip_special_ && tokenizer_->is_special(id)) return text;
  std::string_view bytes = tokenizer_->token_bytes(id);
  if (!bytes.empty() && std::exchange(drops_space_, false) && bytes.front() == ' ') bytes.remove_prefix(1);
  repair_.push(bytes, text);
  return text;
}

std::string StreamDecoder::finish() {
  std::string text;
  repair_.finish(text);
  return text;
}

}  // namespace troupe::model
