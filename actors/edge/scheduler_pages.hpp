// What an operator sees of the scheduler and, where --enable-replica-control is set, changes of it. Any thread.
#pragma once

#include <span>

#include "actors/edge/protocol.hpp"

namespace troupe::actors::edge {

std::span<const Endpoint> scheduler_endpoints();

}  // namespace troupe::actors::edge
