// CAF's middleman over TLS sessions of our own, in the place of caf::openssl's. That one trusts who has
// connected: it waits for ever for handshakes and for what a closed connection still has to say, spins while
// a handshake waits, and allocates what a header claims. It also names connections by their descriptors, so
// that one that closes while another opens, which gets the same descriptor, makes it forget the wrong one.
//
// The actor system owns it as one of its modules. Connections live in CAF's I/O thread.
#pragma once

#include <caf/actor_system_config.hpp>
#include <caf/io/middleman_actor.hpp>

#include "actors/link/tls_context.hpp"
#include "runtime/base/clock.hpp"

namespace troupe::actors {

struct LinkLimits {
  // Connections whose peers have yet to show a certificate and to say something, or to let go of a connection
  // that we have closed; and their time for that. The oldest gives way.
  std::size_t most_handshakes = 64;
  Duration handshake_limit = std::chrono::seconds(5);
  // Bytes of one message. The longest one tells a rank that lost its memory of all its sequences at once, 4
  // bytes a token; no cache holds 64 million tokens.
  std::size_t most_payload = std::size_t(256) << 20;
};

// Has systems of this configuration start it, after the middleman, which must be loaded. Ignores SIGPIPE in
// this process from then on.
void load_tls_middleman(caf::actor_system_config& config, TlsContext context, const LinkLimits& limits);

// Of a system whose configuration has it.
caf::io::middleman_actor tls_middleman(caf::actor_system& system);

}  // namespace troupe::actors
