#include "actors/edge/drain_page.hpp"

#include <array>

#include "actors/edge/departure.hpp"
#include "actors/edge/request_fields.hpp"

namespace troupe::actors::edge {
namespace {

// Nothing at all, as from curl -X POST, or {"drain": true}; false takes it back, unless the server is told to end.
Expected<bool> read_order(std::string_view body, const config::RequestLimits& limits) {
  if (body.empty()) return true;
  const auto json = parse_body(body, limits);
  if (!json) return tl::unexpected(json.error());
  RequestFields fields(*json);
  const bool drain = fields.boolean("drain", true);
  if (!fields.find("drain")) fields.missing("drain");
  if (fields.refusal()) return tl::unexpected(*fields.refusal());
  return drain;
}

Reply drain_page(const PageRequest& request) {
  const auto drain = read_order(request.body, request.settings.request);
  if (!drain) return refusal_reply(drain.error());
  *drain ? request.departure.begin() : request.departure.call_off();
  return json_reply(202, {{"status", request.departure.begun() ? "draining" : "ok"},
                          {"active_requests", request.departure.in_progress()}});
}

}  // namespace

std::span<const Endpoint> drain_endpoints() {
  static constexpr std::array table{
      Endpoint{.path = "/v1/drain",
               .allow = post_only,
               .key = KeyClass::control,
               .page = drain_page,
               .about = "No more requests are taken; those in progress end.",
               .success = 202,
               .replica_control = true},
  };
  return table;
}

}  // namespace troupe::actors::edge
