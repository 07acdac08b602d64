#include "actors/edge/ollama/model_pages.hpp"

#include "actors/edge/callers/callers.hpp"
#include "actors/edge/named_model.hpp"
#include "actors/edge/ollama/answer.hpp"
#include "actors/edge/ollama/model_name.hpp"
#include "actors/edge/status_page.hpp"

namespace troupe::actors::edge::ollama {
namespace {

// Of Ollama, whose API this is: clients refuse servers that are older than what they need.
constexpr const char* spoken_version = "0.12.0";

Json details(const ModelInfo& model) {
  return {{"parent_model", ""},           {"format", ""},
          {"family", model.architecture}, {"families", Json::array({model.architecture})},
          {"parameter_size", ""},         {"quantization_level", ""}};
}

ModelInfo model_of(const PageRequest& request) {
  return model_of_caller(request.service.model(), request.caller);
}

// Under each name that the caller may use. more: what the list says of it beside.
Reply list_of_models(const PageRequest& request, const Json& more) {
  const ModelInfo model = model_of(request);
  Json models = Json::array();
  for (const std::string& name : model.names) {
    models.push_back({{"name", tagged(name)},
                      {"model", tagged(name)},
                      {"size", model.weight_bytes},
                      {"digest", model.digest},
                      {"details", details(model)}});
    models.back().update(more);
  }
  return json_reply(200, {{"models", std::move(models)}});
}

Json capabilities(const ModelInfo& model) {
  Json names = Json::array({"completion"});
  if (model.calls_tools) names.push_back("tools");
  if (model.thinks) names.push_back("thinking");
  return names;
}

Reply show(const ModelInfo& model) {
  const Json info = {{"general.architecture", model.architecture},
                     {model.architecture + ".context_length", model.max_model_len}};
  return json_reply(200, {{"modelfile", ""},
                          {"parameters", ""},
                          {"template", ""},
                          {"details", details(model)},
                          {"model_info", info},
                          {"capabilities", capabilities(model)},
                          {"modified_at", time_text(model.created)}});
}

}  // namespace

Reply running_page(const PageRequest& request) {
  if (request.to_browser) return status_page();
  return {.content_type = "text/plain; charset=utf-8", .body = "Ollama is running"};
}

Reply tags_page(const PageRequest& request) {
  return list_of_models(request, {{"modified_at", time_text(request.service.model().created)}});
}

Reply ps_page(const PageRequest& request) {
  const ModelInfo& model = request.service.model();
  if (!request.service.ready()) return json_reply(200, {{"models", Json::array()}});
  // It stays for as long as the server does.
  return list_of_models(request, {{"expires_at", "9999-12-31T23:59:59Z"},
                                  {"size_vram", model.weight_bytes},
                                  {"context_length", model.max_model_len}});
}

Reply show_page(const PageRequest& request) {
  const auto& limits = request.settings.request;
  const auto named = parse_body(request.body, limits).and_then([&](const Json& body) -> Expected<void> {
    RequestFields fields(body);
    const bool older = !fields.text("model") && fields.text("name");  // of older clients
    read_model_name(fields, older ? "name" : "model", model_of(request), limits);
    if (fields.refusal()) return tl::unexpected(*fields.refusal());
    return {};
  });
  return named ? show(request.service.model()) : refusal_reply(named.error(), {});
}

Reply version_page(const PageRequest&) {
  return json_reply(200, {{"version", spoken_version}});
}

Reply embed_page(const PageRequest& request) {
  const auto& limits = request.settings.request;
  const auto named = parse_body(request.body, limits).and_then([&](const Json& body) -> Expected<void> {
    RequestFields fields(body);
    read_model_name(fields, "model", model_of(request), limits);
    for (const char* name : {"input", "prompt"}) fields.find(name);  // the second is of /api/embeddings
    fields.invalid("model", "It makes no embeddings: it writes text.");
    return tl::unexpected(*fields.refusal());
  });
  return refusal_reply(named.error(), {});
}

Reply no_other_model_page(const PageRequest&) {
  return refusal_reply(
      {RefusalKind::not_found,
       "models are not pulled, made or deleted here: the server has the one that it was started with", "",
       ""},
      {});
}

}  // namespace troupe::actors::edge::ollama
