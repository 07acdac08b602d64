#include "actors/edge/answer.hpp"

#include <algorithm>

#include "model/tokenizer/utf8.hpp"

namespace troupe::actors::edge {

void Answer::still_waiting(std::string& out) {
  out += ": waiting\n\n";  // a comment, which clients pass over
}

bool usable_request_id(std::string_view id) {
  return !id.empty() && id.size() <= max_request_id_bytes &&
         std::ranges::all_of(id, [](char each) { return each > ' ' && each < 0x7F; });
}

void append_event(std::string_view data, std::string& out, std::string_view name) {
  if (!name.empty()) out.append("event: ").append(name).append("\n");
  out.append("data: ").append(data).append("\n\n");
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
