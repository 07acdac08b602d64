// Where clients come back to answers that are kept. Any thread.
#pragma once

#include <span>

#include "actors/edge/protocol.hpp"

namespace troupe::actors::edge {

std::span<const Endpoint> retry_endpoints();

}  // namespace troupe::actors::edge
