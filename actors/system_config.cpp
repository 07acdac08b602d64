#include "actors/system_config.hpp"

#include <caf/all.hpp>

#include "actors/handles.hpp"
#include "actors/link/link.hpp"
#include "runtime/base/wakeups.hpp"

namespace troupe::actors {
namespace {

// Who hands over what was computed, and is about to go on computing, must not stand still for who is told.
struct ActorThreads final : caf::thread_hook {
  void init(caf::actor_system&) override {}
  void thread_started() override { wait_for_an_idle_core(); }
  void thread_terminates() override {}
};

}  // namespace

LocalConfig::LocalConfig() {
  add_messages(*this);
  add_message_type<NodeHandle>("troupe::NodeHandle");
  add_message_type<WorkerHandle>("troupe::WorkerHandle");
  set("logger.verbosity", caf::atom("quiet"));
  add_thread_hook<ActorThreads>();
  set("scheduler.policy", caf::atom("sharing"));  // the stealing one polls, and sleeps between
}

LinkedConfig::LinkedConfig(const TlsIdentity& identity) {
  add_links(*this, identity);
}

}  // namespace troupe::actors
