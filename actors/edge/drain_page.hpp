// POST /v1/drain: an operator has the server take no more requests. Any thread.
#pragma once

#include <span>

#include "actors/edge/protocol.hpp"

namespace troupe::actors::edge {

std::span<const Endpoint> drain_endpoints();

}  // namespace troupe::actors::edge
