#include "actors/system_config.hpp"

#include <caf/all.hpp>

#include "actors/handles.hpp"
#include "actors/link/link.hpp"

namespace troupe::actors {

LocalConfig::LocalConfig() {
  add_messages(*this);
  add_message_type<NodeHandle>("troupe::NodeHandle");
  add_message_type<WorkerHandle>("troupe::WorkerHandle");
  set("logger.verbosity", caf::atom("quiet"));
  set("scheduler.policy", caf::atom("sharing"));  // the stealing one polls, and sleeps between
}

LinkedConfig::LinkedConfig(const TlsIdentity& identity) {
  add_links(*this, identity);
}

}  // namespace troupe::actors
