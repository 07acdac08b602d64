#include "actors/edge/openai/answer_fields.hpp"

#include <algorithm>

namespace troupe::actors::edge::openai {
namespace {

void read_stream(RequestFields& fields, ApiRequest& request, AnswerOptions& out) {
  request.stream = fields.boolean("stream", false);
  if (request.stream && request.generation.prompt_logprobs >= 0)
    fields.invalid("prompt_logprobs", "It is not told in a stream.");
  const Json* options = fields.object("stream_options");
  if (!options) return;
  if (!request.stream) return fields.invalid("stream_options", "It is only allowed when 'stream' is true.");
  RequestFields inside(*options, "stream_options.");
  out.include_usage = inside.boolean("include_usage", false);
  out.continuous_usage = out.include_usage && inside.boolean("continuous_usage_stats", false);
  if (inside.refusal()) fields.keep(*inside.refusal());
}

// It stands in headers and logs, as a header's would.
void read_request_id(RequestFields& fields, ApiRequest& request) {
  const auto id = fields.text("request_id", max_request_id_bytes);
  if (!id || id->empty()) return;
  const bool plain = std::ranges::all_of(*id, [](char each) { return each > ' ' && each < 0x7F; });
  if (!plain) return fields.invalid("request_id", "Expected visible ASCII characters.");
  request.request_id = *id;
}

}  // namespace

AnswerOptions read_answer_fields(RequestFields& fields, ApiRequest& request) {
  AnswerOptions out;
  out.choices = request.choices();
  read_stream(fields, request, out);
  read_request_id(fields, request);
  out.include_reasoning = fields.boolean("include_reasoning", true);
  out.return_token_ids = fields.boolean("return_token_ids", false);
  out.tokens_as_ids = fields.boolean("return_tokens_as_token_ids", false);
  return out;
}

}  // namespace troupe::actors::edge::openai
