#include "actors/edge/tgi/endpoints.hpp"

#include <array>

namespace troupe::actors::edge::tgi {
namespace {

constexpr const char* example = R"({"inputs": "Once upon a time", "parameters": {
  "max_new_tokens": 16, "temperature": 0.5, "seed": 1, "stop": ["END"], "return_full_text": false,
  "grammar": {"type": "regex", "value": "[a-z ]+"}}})";

struct Told {
  int status;
  const char* type;
};

Told told(RefusalKind kind) {
  switch (kind) {
    case RefusalKind::invalid:
      return {422, "validation"};
    case RefusalKind::rate_limited:
    case RefusalKind::unavailable:
      return {429, "overloaded"};
    case RefusalKind::internal:
      return {424, "generation"};
    case RefusalKind::cancelled:
      return {http_status(kind), "generation"};
    default:
      return {http_status(kind), "validation"};
  }
}

Reply info_page(const PageRequest& request) {
  const ModelInfo& model = request.service.model();
  return json_reply(200, {{"model_id", model.root},
                          {"model_sha", nullptr},
                          {"model_pipeline_tag", "text-generation"},
                          {"max_concurrent_requests", request.settings.connection.connections},
                          {"max_best_of", 1},
                          {"max_stop_sequences", request.settings.request.stop_strings},
                          {"max_input_tokens", model.max_model_len - 1},
                          {"max_total_tokens", model.max_model_len},
                          {"max_client_batch_size", 1},
                          {"router", "troupe"},
                          {"version", request.version},
                          {"sha", nullptr},
                          {"docker_label", nullptr}});
}

}  // namespace

Json error_object(const Refusal& refusal) {
  return {{"error", refusal.message}, {"error_type", told(refusal.kind).type}};
}

Reply refusal_reply(const Refusal& refusal, const std::string&) {
  Reply reply = refusal_reply_of(refusal, error_object(refusal));
  reply.status = told(refusal.kind).status;
  return reply;
}

std::span<const Endpoint> endpoints() {
  static constexpr std::array table{
      Endpoint{.path = "/",
               .allow = post_only,
               .generation = parse_either,
               .refusal = refusal_reply,
               .about = "How a text goes on, whole or streamed.",
               .example = example},
      Endpoint{.path = "/generate",
               .allow = post_only,
               .generation = parse_generate,
               .refusal = refusal_reply,
               .about = "How a text goes on.",
               .example = example},
      Endpoint{.path = "/generate_stream",
               .allow = post_only,
               .generation = parse_generate_stream,
               .refusal = refusal_reply,
               .about = "How a text goes on, token by token.",
               .example = example},
      Endpoint{.path = "/info",
               .page = info_page,
               .refusal = refusal_reply,
               .about = "The model and the limits of requests."},
  };
  return table;
}

}  // namespace troupe::actors::edge::tgi
