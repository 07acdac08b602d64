// Communicators for ranks that are threads of one process. A LocalMesh is one epoch: it may be copied, its
// communicators share it, and it lives as long as any of them. communicator() may be called from any thread.
#pragma once

#include <chrono>
#include <memory>

#include "runtime/base/clock.hpp"
#include "transport/communicator.hpp"

namespace troupe::transport {

constexpr int max_local_ranks = 64;

class LocalMesh {
 public:
  // ranks: a power of two, at most max_local_ranks. timeout: how long a rank waits in one collective for the
  // others before it gives up with an Error that names those that did not arrive; that ends the epoch for
  // all.
  explicit LocalMesh(int ranks, Duration timeout = std::chrono::seconds(30));

  // The communicator of a rank, for its compute thread. Each rank asks once. Its calls read and write memory
  // that the host can reach and run at once, whatever the queue.
  std::unique_ptr<Communicator> communicator(int rank) const;

 private:
  std::shared_ptr<class LocalEpoch> epoch_;
};

}  // namespace troupe::transport
