// CAF between the processes of a replica: mutual TLS and heartbeats. Only the head listens, with one actor at
// its door; nodes and workers connect to that actor, and connect again when the link broke.
#pragma once

#include <caf/all.hpp>
#include <functional>
#include <set>
#include <string>

#include "actors/link/identity.hpp"
#include "actors/link/tls_middleman.hpp"
#include "runtime/base/clock.hpp"

namespace troupe::actors {

// Lets systems of this configuration have links. Throws Error for an identity that cannot be used.
void add_links(caf::actor_system_config& config, const TlsIdentity& identity, const LinkLimits& limits = {});

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

// How it came that a process keeps no link any more.
struct LinkEnd {
  enum class Why {
    shut_down,  // somebody wanted it so
    head_gone,  // for too long
    failed,     // what was to be kept linked ended by itself
  };
  Why why = Why::shut_down;
  std::string reason;  // in words
};

// CAF's names of the messages that an actor takes.
using Interface = std::set<std::string>;

// Connects once. Where packets vanish, it blocks for minutes.
caf::expected<caf::strong_actor_ptr> link_to(caf::actor_system& system, const Interface& interface,
                                             const std::string& host, std::uint16_t port);

// As the templates below, for a handle that was stripped of its type.
std::uint16_t open_door(caf::actor_system& system, const caf::strong_actor_ptr& actor, Interface interface,
                        const std::string& host, std::uint16_t port);
LinkEnd keep_linked(caf::actor_system& system, const Interface& interface, const std::string& host,
                    std::uint16_t port, const caf::actor_addr& whole,
                    const std::function<void(const caf::strong_actor_ptr&)>& introduce);

// Puts the actor at the door. port 0: any free one; returns the port. Throws Error.
template <class Handle>
std::uint16_t open_door(caf::actor_system& system, const Handle& actor, const std::string& host,
                        std::uint16_t port) {
  return open_door(system, caf::actor_cast<caf::strong_actor_ptr>(actor), system.message_types(actor), host,
                   port);
}

// Connects to the actor at the door and introduces, again and again whenever the link breaks, until `whole` or
// that actor ends, or the head has been gone for too long. Blocks; one call a process.
template <class Handle>
LinkEnd keep_linked(caf::actor_system& system, const std::string& host, std::uint16_t port,
                    const caf::actor_addr& whole, const std::function<void(const Handle&)>& introduce) {
  return keep_linked(system, system.message_types(caf::detail::type_list<Handle>{}), host, port, whole,
                     [&](const caf::strong_actor_ptr& actor) { introduce(caf::actor_cast<Handle>(actor)); });
}

}  // namespace troupe::actors
