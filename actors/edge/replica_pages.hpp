// What an operator sees of the replica and, where --enable-replica-control is set, does to it. Any thread.
#pragma once

#include <string_view>

#include "actors/edge/reply.hpp"
#include "actors/edge/routes.hpp"
#include "actors/service.hpp"
#include "config/edge_settings.hpp"

namespace troupe::actors::edge {

Reply replica_page(const runtime::ReplicaView& view);

bool is_replica_control(Endpoint endpoint);

// endpoint: is_replica_control. 202 {} once the order is given, or why it is not.
Reply control_replica(Endpoint endpoint, std::string_view body, const config::RequestLimits& limits,
                      Service& service);

}  // namespace troupe::actors::edge
