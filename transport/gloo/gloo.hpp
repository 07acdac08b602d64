// Communicators for ranks that are processes, over TCP: Gloo moves the bytes between them. One call of
// connect_gloo makes one rank of one epoch; every epoch has connections of its own.
//
// The network must be private: the epoch's secret and the tensors travel in clear. A stranger who connects
// during the rendezvous without the secret is dropped; nothing listens after it.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "runtime/base/clock.hpp"
#include "transport/communicator.hpp"

namespace troupe::transport {

// Where the ranks of an epoch leave their addresses for each other. Each rank has one of its own and uses it
// from the thread that connects.
class AddressStore {
 public:
  virtual ~AddressStore() = default;
  virtual void set(const std::string& key, const std::string& value) = 0;
  // Waits until somebody has set the key; nothing when the deadline passes first.
  virtual std::optional<std::string> get(const std::string& key, TimePoint deadline) = 0;
};

constexpr std::size_t max_epoch_secret = 64;  // bytes

struct GlooOptions {
  int rank = 0;
  int size = 1;         // a power of two
  std::string network;  // IP address or network interface (its first IPv4 address) of this rank
  std::string secret;   // the epoch's; at most max_epoch_secret bytes; begins the keys in the store
  Duration connect_timeout = std::chrono::seconds(10);  // to have met all ranks
  Duration timeout = std::chrono::seconds(30);          // of each wait for the others in a collective
};

// Throws an Error if this host has no such address or interface (GlooOptions::network).
void check_network(const std::string& network);

// Connects to all other ranks and returns when all are connected. Throws an Error that names the rank that
// could not be met in time, or when stop is requested, from any thread (a store's get is not interrupted by
// it). Ignores SIGPIPE in this process from then on, since Gloo writes to sockets that peers may have closed.
//
// In the communicator's collectives, a peer that dies is an Error within milliseconds; so is a peer that
// fails, aborts, or waits in vain, with its reason. A peer whose communicator was destroyed is an Error only
// for who still needs it. Ranks that call different collectives, or with different sizes, wait in vain.
// Memory of tensors is touched during the calls only, by the calling thread.
std::unique_ptr<Communicator> connect_gloo(const GlooOptions& options, AddressStore& store,
                                           std::stop_token stop = {});

}  // namespace troupe::transport
