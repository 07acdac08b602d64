// What an operator sees of the replica and, where --enable-replica-control is set, does to it. Any thread.
#pragma once

#include <span>

#include "actors/edge/protocol.hpp"

namespace troupe::actors::edge {

std::span<const Endpoint> replica_endpoints();

}  // namespace troupe::actors::edge
