// How the ranks of an epoch meet: each listens on one port, leaves its address in the store, connects to the
// ranks below it and accepts those above. Both sides of a connection show the epoch's secret before it
// counts. Gloo's own rendezvous would take the first stranger who connects for a peer. Used by the one thread
// that connects.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <stop_token>
#include <string>
#include <vector>

#include "runtime/base/file_descriptor.hpp"
#include "transport/gloo/gloo.hpp"

namespace troupe::transport {

// One connected, non-blocking stream to each other rank, in order of ranks; none at this rank's own place.
// Throws an Error that names who is missing at the deadline. Nothing listens any more when it returns.
std::vector<FileDescriptor> meet(const GlooOptions& options, AddressStore& store, TimePoint deadline,
                                 const std::stop_token& stop);

}  // namespace troupe::transport
