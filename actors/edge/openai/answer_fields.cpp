#include "actors/edge/openai/answer_fields.hpp"

namespace troupe::actors::edge::openai {
namespace {

void read_stream(RequestFields& fields, const config::RequestLimits& limits, ApiRequest& request,
                 AnswerOptions& out) {
  request.stream = fields.boolean("stream", false);
  if (request.stream && request.generation.prompt_logprobs >= 0)
    fields.invalid("prompt_logprobs", "It is not told in a stream.");
  out.include_usage = request.stream && limits.always_usage;
  const Json* options = fields.object("stream_options");
  if (!options) return;
  if (!request.stream) return fields.invalid("stream_options", "It is only allowed when 'stream' is true.");
  RequestFields inside(*options, "stream_options.");
  out.include_usage |= inside.boolean("include_usage", false);
  out.continuous_usage = inside.boolean("continuous_usage_stats", false) && out.include_usage;
  if (inside.refusal()) fields.keep(*inside.refusal());
}

void read_request_id(RequestFields& fields, ApiRequest& request) {
  const auto id = fields.text("request_id", max_request_id_bytes);
  if (!id || id->empty()) return;
  if (!usable_request_id(*id)) return fields.invalid("request_id", "Expected visible ASCII characters.");
  request.request_id = *id;
}

// What a client keeps its books by. Nothing here depends on it.
void check_bookkeeping(RequestFields& fields) {
  for (const char* name : {"user", "service_tier", "prompt_cache_key", "safety_identifier"})
    fields.text(name);
  fields.object("metadata");
  fields.boolean("store", false);
}

}  // namespace

AnswerOptions read_answer_fields(RequestFields& fields, const config::RequestLimits& limits,
                                 ApiRequest& request) {
  AnswerOptions out;
  out.choices = request.choices();
  check_bookkeeping(fields);
  read_stream(fields, limits, request, out);
  read_request_id(fields, request);
  out.include_reasoning = fields.boolean("include_reasoning", true);
  out.return_token_ids = fields.boolean("return_token_ids", false);
  out.tokens_as_ids = fields.boolean("return_tokens_as_token_ids", limits.tokens_as_ids);
  return out;
}

}  // namespace troupe::actors::edge::openai
