#include "actors/edge/capture/endpoints.hpp"

#include <array>

#include "actors/edge/answer.hpp"
#include "actors/edge/capture/captures.hpp"
#include "actors/edge/request_fields.hpp"
#include "runtime/base/log.hpp"

namespace troupe::actors::edge {
namespace {

struct Order {
  std::string request_id;
  std::chrono::seconds time{};
};

Expected<Order> read_order(const Json& body) {
  RequestFields fields(body);
  Order order;
  if (const auto id = fields.text("request_id", max_request_id_bytes))
    order.request_id = *id;
  else
    fields.missing("request_id");
  if (!usable_request_id(order.request_id))
    fields.invalid("request_id", "Expected what X-Request-Id may be: visible ASCII characters.");
  const auto seconds = fields.integer("seconds", 1, longest_order.count());
  if (!seconds) fields.missing("seconds");
  order.time = std::chrono::seconds(seconds.value_or(0));
  if (fields.refusal()) return tl::unexpected(*fields.refusal());
  return order;
}

Reply capture_page(const PageRequest& request) {
  const auto file = parse_body(request.body, request.settings.request)
                        .and_then(read_order)
                        .and_then([&](const Order& order) {
                          return request.captures.order(order.request_id, order.time, now());
                        });
  if (!file) return refusal_reply(file.error());
  log_event(LogLevel::warning, "capture_ordered", {{"file", *file}});
  return json_reply(202, {{"file", *file}});
}

}  // namespace

std::span<const Endpoint> capture_endpoints() {
  static constexpr std::array table{
      Endpoint{.path = "/v1/debug/capture",
               .allow = put_only,
               .key = KeyClass::control,
               .page = capture_page,
               .about = "The text of the next request of an id, encrypted into a file.",
               .success = 202},
  };
  return table;
}

}  // namespace troupe::actors::edge
