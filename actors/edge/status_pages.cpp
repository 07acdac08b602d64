#include "actors/edge/status_pages.hpp"

#include <array>

#include "actors/edge/retries/answer_store.hpp"
#include "runtime/base/process_memory.hpp"

namespace troupe::actors::edge {
namespace {

Reply health_page(bool good, Json body) {
  Reply reply = json_reply(good ? 200 : 503, body);
  if (!good) reply.headers.emplace_back("Retry-After", retry_after_seconds);
  return reply;
}

const char* startup_state(const Service& service) {
  if (!service.healthy()) return "failed";
  return service.ready() ? "ready" : "starting";
}

Reply startup_page(const PageRequest& request) {
  const Service& service = request.service;
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

// "ok", or why no request should be sent here.
const char* readiness(const PageRequest& request) {
  const Service& service = request.service;
  if (!service.healthy() || !service.ready()) return startup_state(service);
  if (request.departure.begun()) return "draining";
  return service.stalled() ? "stalled" : "ok";
}

Reply livez_page(const PageRequest& request) {
  const bool good = request.service.healthy();
  return health_page(good, {{"status", good ? "ok" : "failed"}});
}

Reply metrics_page(const PageRequest& request) {
  return {.content_type = "text/plain; version=0.0.4; charset=utf-8",
          .body = request.service.metrics_text(request.answers.figures())};
}

Reply version_page(const PageRequest& request) {
  Json body{{"version", request.version}};
  if (const std::string arithmetic = request.service.replica().arithmetic; !arithmetic.empty())
    body["arithmetic"] = arithmetic;
  for (const auto& [what, text] : request.service.model().devices) body["devices"][what] = text;
  return json_reply(200, body);
}

}  // namespace

Reply readiness_page(const PageRequest& request) {
  const std::string_view status = readiness(request);
  const runtime::SchedulerStats stats = request.service.schedule().stats;
  Json body{{"status", status},
            {"active_requests", request.service.load()},
            {"waiting_sequences", stats.waiting},
            {"memory_resident", memory_resident()},
            {"kv_blocks_used", stats.total_blocks - stats.free_blocks},
            {"kv_blocks", stats.total_blocks}};
  if (const auto gpu = request.service.replica().gpu_memory_available) body["gpu_memory_available"] = *gpu;
  return health_page(status == "ok", std::move(body));
}

std::span<const Endpoint> status_endpoints() {
  static constexpr std::array table{
      Endpoint{.path = "/health",
               .key = KeyClass::none,
               .watches = true,
               .page = readiness_page,
               .about = "Whether requests are served."},
      Endpoint{.path = "/livez",
               .key = KeyClass::none,
               .watches = true,
               .page = livez_page,
               .about = "Whether the server has not given up."},
      Endpoint{.path = "/readyz",
               .key = KeyClass::none,
               .watches = true,
               .page = readiness_page,
               .about = "Whether requests are served."},
      Endpoint{.path = "/startupz",
               .key = KeyClass::none,
               .watches = true,
               .page = startup_page,
               .about = "How far the start has got."},
      Endpoint{.path = "/metrics",
               .key = KeyClass::metrics,
               .watches = true,
               .page = metrics_page,
               .about = "Metrics for Prometheus.",
               .produces = "text/plain"},
      Endpoint{.path = "/version", .watches = true, .page = version_page, .about = "Of the program."},
  };
  return table;
}

Refusal model_failed() {
  return {RefusalKind::unavailable, "The model has failed and serves no requests.", "", "model_failed"};
}

Expected<void> accepts_inference(const Service& service, const Departure& departure) {
  if (!service.healthy()) return tl::unexpected(model_failed());
  if (!service.ready())
    return refuse(RefusalKind::unavailable, "The model is still loading; /startupz shows its progress.", "",
                  "model_loading");
  if (departure.begun()) return tl::unexpected(leaving());
  return {};
}

}  // namespace troupe::actors::edge
