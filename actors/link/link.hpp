// CAF between the processes of a replica: mutual TLS and heartbeats. Only the head listens; nodes and workers
// connect to its supervisor, and connect again when the link broke.
#pragma once

#include <caf/io/all.hpp>
#include <caf/openssl/all.hpp>
#include <functional>

#include "actors/handles.hpp"
#include "actors/link/identity.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/base/memory_file.hpp"

namespace troupe::actors {

// Of an actor system without links.
struct LocalConfig : caf::actor_system_config {
  LocalConfig();
};

// Keeps the identity in memory files, where CAF finds it by their paths under /proc.
class LinkedConfig : public LocalConfig {
 public:
  explicit LinkedConfig(const TlsIdentity& identity);

 private:
  const std::vector<FileDescriptor> files_;
};

// What there is at the head's address.
enum class Probe { reachable, refused, silent };

// How long a node or worker without a link keeps trying: counted from when the head's address began to answer
// as it does, so that time in which the network was away does not count against a head that is there again.
class LinkPatience {
 public:
  explicit LinkPatience(TimePoint now) : since_(now) {}
  void linked(TimePoint now) { since_ = now; }
  // True while it is worth trying on.
  bool lasts(Probe head, TimePoint now);

 private:
  Probe last_ = Probe::reachable;
  TimePoint since_;
};

// Opens the door of the replica. port 0: any free one; returns the port. Throws Error.
std::uint16_t open_door(caf::actor_system& system, const ReplicaSupervisorHandle& supervisor,
                        const std::string& host, std::uint16_t port);

// Connects to the supervisor and introduces, again and again whenever the link breaks, until `whole` or the
// replica ends, for the reason that it returns, or the head has been gone for too long
// (cannot_connect_to_node). Blocks; one call a process.
caf::error keep_linked(caf::actor_system& system, const std::string& host, std::uint16_t port,
                       const caf::actor_addr& whole,
                       const std::function<void(const ReplicaSupervisorHandle&)>& introduce);

}  // namespace troupe::actors
