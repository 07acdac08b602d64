#include "actors/edge/status_pages.hpp"

#include <algorithm>

#include "actors/edge/replica_pages.hpp"

namespace troupe::actors::edge {
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

Reply models_page(const ModelInfo& model) {
  Json data = Json::array();
  for (const std::string& name : model.names) data.push_back(model_object(model, name));
  return json_reply(200, {{"object", "list"}, {"data", std::move(data)}});
}

Reply model_page(const ModelInfo& model, const std::string& name) {
  if (std::ranges::find(model.names, name) != model.names.end())
    return json_reply(200, model_object(model, name));
  return refusal_reply({RefusalKind::not_found, "There is no model of this name; see /v1/models.", "model",
                        "model_not_found"});
}

Reply health_page(bool good, const char* otherwise) {
  Reply reply = json_reply(good ? 200 : 503, {{"status", good ? "ok" : otherwise}});
  if (!good) reply.headers.emplace_back("Retry-After", retry_after_seconds);
  return reply;
}

const char* startup_state(const Service& service) {
  if (!service.healthy()) return "failed";
  return service.ready() ? "ready" : "starting";
}

Reply startup_page(const Service& service) {
  Json phases = Json::array();
  for (const StartupPhase& phase : service.startup()) {
    Json object = {{"name", phase.name}, {"state", phase.state}};
    if (phase.total > 0) {
      object["done"] = phase.done;
      object["total"] = phase.total;
      object["progress"] = double(phase.done) / double(phase.total);
    }
    phases.push_back(std::move(object));
  }
  const std::string state = startup_state(service);
  return json_reply(state == "ready" ? 200 : 503, {{"status", state}, {"phases", std::move(phases)}});
}

}  // namespace

Reply status_page(const Resource& resource, const Service& service, const std::string& version) {
  switch (resource.endpoint) {
    case Endpoint::models:
      return models_page(service.model());
    case Endpoint::model:
      return model_page(service.model(), resource.argument);
    case Endpoint::livez:
      return health_page(service.healthy(), "failed");
    case Endpoint::health:
    case Endpoint::readyz:
      return health_page(service.healthy() && service.ready(), startup_state(service));
    case Endpoint::startupz:
      return startup_page(service);
    case Endpoint::metrics:
      return {.content_type = "text/plain; version=0.0.4; charset=utf-8", .body = service.metrics_text()};
    case Endpoint::version:
      return json_reply(200, {{"version", version}});
    case Endpoint::replica:
      return replica_page(service.replica());
    case Endpoint::chat_completions:
    case Endpoint::completions:
    case Endpoint::replica_drill:
    case Endpoint::replica_placement:
      break;
  }
  CHECK(false, "an endpoint that does something has no status page");
  return {};
}

Expected<void> accepts_inference(const Service& service) {
  if (!service.healthy())
    return refuse(RefusalKind::unavailable, "The model has failed and serves no requests.", "",
                  "model_failed");
  if (!service.ready())
    return refuse(RefusalKind::unavailable, "The model is still loading; /startupz shows its progress.", "",
                  "model_loading");
  return {};
}

}  // namespace troupe::actors::edge
