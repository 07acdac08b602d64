#include "actors/edge/retries/endpoints.hpp"

#include <array>

namespace troupe::actors::edge {

std::span<const Endpoint> retry_endpoints() {
  static constexpr std::array table{Endpoint{
      .path = "/v1/streams/{id}",
      .resumes = true,
      .about =
          "An answer that is kept, by the id in its X-Stream-Id, from behind the event that Last-Event-ID "
          "names; in the form that it was asked for.",
      .produces = "text/event-stream"}};
  return table;
}

}  // namespace troupe::actors::edge
