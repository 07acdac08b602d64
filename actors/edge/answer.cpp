#include "actors/edge/answer.hpp"

#include <algorithm>

#include "model/tokenizer/utf8.hpp"

namespace troupe::actors::edge {

Json usage_object(const runtime::Usage& usage) {
  return {{"prompt_tokens", usage.prompt_tokens},
          {"completion_tokens", usage.completion_tokens},
          {"total_tokens", usage.prompt_tokens + usage.completion_tokens},
          {"prompt_tokens_details", {{"cached_tokens", usage.cached_tokens}}}};
}

Json answer_object(const AnswerIdentity& identity, const char* object, Json choices) {
  return {{"id", identity.id},
          {"object", object},
          {"created", identity.created},
          {"model", identity.model},
          {"choices", std::move(choices)}};
}

Json text_or_null(std::string_view text) {
  return text.empty() ? Json() : Json(text);
}

std::string token_text(const std::string& bytes) {
  if (model::is_utf8(bytes)) return bytes;
  static constexpr char digits[] = "0123456789abcdef";
  std::string text = "bytes:";
  for (const unsigned char byte : bytes) text.append("\\x") += {digits[byte >> 4], digits[byte & 15]};
  return text;
}

double finite_logprob(float logprob) {
  return std::max(double(logprob), -9999.0);
}

}  // namespace troupe::actors::edge
