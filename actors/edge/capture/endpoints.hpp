// The order to capture a request's text. Any thread.
#pragma once

#include <span>

#include "actors/edge/protocol.hpp"

namespace troupe::actors::edge {

std::span<const Endpoint> capture_endpoints();

}  // namespace troupe::actors::edge
