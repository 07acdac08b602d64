#include "actors/edge/openai/endpoints.hpp"

#include <algorithm>
#include <array>

namespace troupe::actors::edge::openai {
namespace {

Json model_object(const ModelInfo& model, const std::string& name) {
  return {{"id", name},
          {"object", "model"},
          {"created", model.created},
          {"owned_by", "troupe"},
          {"root", model.root},
          {"parent", nullptr},
          {"max_model_len", model.max_model_len}};
}

Reply models_page(const PageRequest& request) {
  const ModelInfo& model = request.service.model();
  Json data = Json::array();
  for (const std::string& name : model.names) data.push_back(model_object(model, name));
  return json_reply(200, {{"object", "list"}, {"data", std::move(data)}});
}

Reply model_page(const PageRequest& request) {
  const ModelInfo& model = request.service.model();
  const std::string name(request.argument);
  if (std::ranges::find(model.names, name) != model.names.end())
    return json_reply(200, model_object(model, name));
  return refusal_reply({RefusalKind::not_found, "There is no model of this name; see /v1/models.", "model",
                        "model_not_found"});
}

Reply embeddings_page(const PageRequest&) {
  return refusal_reply({RefusalKind::invalid, "The model generates text and has no embeddings.", "model",
                        "model_not_supported"});
}

}  // namespace

std::span<const Endpoint> endpoints() {
  static constexpr std::array table{
      Endpoint{.path = "/v1/chat/completions", .allow = post_only, .generation = parse_chat_request},
      Endpoint{.path = "/v1/completions", .allow = post_only, .generation = parse_completion_request},
      Endpoint{.path = "/v1/responses", .allow = post_only, .generation = parse_response_request},
      Endpoint{.path = "/v1/embeddings", .allow = post_only, .page = embeddings_page},
      Endpoint{.path = "/v1/models", .page = models_page},
      Endpoint{.path = "/v1/models/{id}", .page = model_page},
  };
  return table;
}

}  // namespace troupe::actors::edge::openai
