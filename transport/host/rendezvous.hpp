// How the ranks of an epoch meet: each listens on one port, leaves its address in the store, connects to the
// ranks below it and accepts those above. Both sides of a connection show the epoch's secret before it
// counts. Used by the one thread that connects.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "runtime/base/file_descriptor.hpp"
#include "transport/host/tcp_mesh.hpp"

namespace troupe::transport {

// Throws an Error if this host has no such address or interface (TcpOptions::network).
void check_network(const std::string& network);
// The name of the interface that it is, or that has this address; empty if none has.
std::string interface_of(const std::string& network);

// One connected, non-blocking stream to each other rank, in order of ranks; none at this rank's own place.
// Throws an Error that names who is missing at the deadline. Nothing listens any more when it returns.
std::vector<FileDescriptor> meet(const TcpOptions& options, AddressStore& store, TimePoint deadline,
                                 const std::stop_token& stop);

}  // namespace troupe::transport
