// Ranks that are threads of one process. A ThreadsMesh is one epoch: it may be copied, its communicators share
// it, and it lives as long as any of them. communicator() may be called from any thread.
#pragma once

#include <chrono>
#include <memory>

#include "runtime/base/clock.hpp"
#include "transport/communicator.hpp"

namespace troupe::transport {

constexpr int max_thread_ranks = 64;

class ThreadsMesh {
 public:
  // ranks: a power of two, at most max_thread_ranks. timeout: how long a rank waits in one exchange for the
  // others before it gives up with an Error that names one that did not arrive; that ends the epoch for all.
  explicit ThreadsMesh(int ranks, Duration timeout = std::chrono::seconds(30));

  // The communicator of a rank, for its compute thread. Each rank asks once.
  std::unique_ptr<Communicator> communicator(int rank) const;

 private:
  std::shared_ptr<struct MeetingPlace> place_;
};

}  // namespace troupe::transport
