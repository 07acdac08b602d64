// How an actor system of Troupe is configured: with the messages that its actors take, alone or with links to
// other processes. Must outlive the system.
#pragma once

#include <caf/actor_system_config.hpp>

#include "actors/link/identity.hpp"

namespace troupe::actors {

// Of an actor system without links.
struct LocalConfig : caf::actor_system_config {
  LocalConfig();
};

struct LinkedConfig : LocalConfig {
  explicit LinkedConfig(const TlsIdentity& identity);
};

}  // namespace troupe::actors
