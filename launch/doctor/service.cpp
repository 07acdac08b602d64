#include "launch/doctor/service.hpp"

#include "launch/server_answer.hpp"
#include "runtime/base/error.hpp"

namespace troupe::launch::doctor {
namespace {

using nlohmann::ordered_json;

// Null for what is no JSON object, and for any status but 200.
ordered_json object_at(load::Asker& asker, const std::string& target) {
  const load::Page page = asker.get(target);
  ordered_json object = page.status == 200 ? ordered_json::parse(page.body, nullptr, false) : ordered_json();
  return object.is_object() ? object : ordered_json();
}

void ask_metrics(load::Asker& asker, Duration interval, Service& service) {
  const auto look = [&] {
    const load::Page page = asker.get("/metrics");
    if (page.status == 200) return load::ScrapedMetrics(page.body);
    throw Error(
        "status " + std::to_string(page.status) + reason_of(ordered_json::parse(page.body, nullptr, false)),
        "/metrics", page.status == 401 || page.status == 403 ? "give --api-key, of class metrics" : "");
  };
  try {
    service.metrics = service.earlier = look();
    if (interval <= Duration::zero()) return;
    const TimePoint first = now();
    asker.pause(interval);
    service.metrics = look();
    service.seconds = milliseconds(now() - first) / 1e3;
  } catch (const Error& error) {
    service.no_metrics = one_line(error.what());
  }
}

}  // namespace

Service ask_service(load::Asker& asker, Duration interval) {
  Service service;
  const load::Page health = asker.get("/health");
  service.health_status = health.status;
  const auto told = ordered_json::parse(health.body, nullptr, false);
  if (told.is_object() && told.contains("status") && told.at("status").is_string())
    service.health = one_line(told.at("status").get<std::string>());
  ask_metrics(asker, interval, service);
  service.replica = object_at(asker, "/v1/replica");
  service.info = object_at(asker, "/server_info");
  service.version = object_at(asker, "/version");
  return service;
}

}  // namespace troupe::launch::doctor
