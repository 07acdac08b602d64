// Ranks that are processes, over TCP. One call makes one rank of one epoch; every epoch has connections of its
// own, and no threads: the rank that waits in an exchange looks after all of them.
//
// The network must be private: the epoch's secret and the tensors travel in clear. A stranger who connects
// during the rendezvous without the secret is dropped; nothing listens after it.
#pragma once

#include <chrono>
#include <memory>
#include <stop_token>
#include <string>

#include "transport/address_store.hpp"
#include "transport/host/mesh.hpp"

namespace troupe::transport {

constexpr std::size_t max_epoch_secret = 64;  // bytes

struct TcpOptions {
  int rank = 0;
  int size = 1;         // a power of two
  std::string network;  // IP address or network interface (its first IPv4 address) of this rank
  std::string secret;   // the epoch's; at most max_epoch_secret bytes; begins the keys in the store
  Duration connect_timeout = std::chrono::seconds(10);  // to have met all ranks
  Duration timeout = std::chrono::seconds(30);          // of each wait for the others in a collective
};

// Connects to all other ranks and returns when all are connected. Throws an Error that names the rank that
// could not be met in time, or, at once, when stop is requested, from any thread (a wait in the store is the
// store's own to interrupt).
//
// In exchanges, a peer that dies is an Error within milliseconds; so is a peer that fails, aborts, or waits in
// vain, with its reason, unless it was in the middle of a message. A peer whose mesh was destroyed is an
// Error only for who still needs it.
std::unique_ptr<Mesh> tcp_mesh(const TcpOptions& options, AddressStore& store, std::stop_token stop = {});

}  // namespace troupe::transport
