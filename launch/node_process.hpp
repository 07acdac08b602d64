// A node other than the first: it has no sockets of clients, only workers.
#pragma once

#include "actors/node.hpp"
#include "config/settings.hpp"

namespace troupe::launch {

// host, port: where the first node listens for workers. Throws Error when this host lacks --tensor-interface.
actors::NodeSettings node_settings(const config::Settings& settings, actors::TlsIdentity identity,
                                   const std::string& host, std::uint16_t port);

// Until the replica ends, or refuses it; returns the exit code. Main thread only.
int run_node(actors::NodeSettings settings);

}  // namespace troupe::launch
