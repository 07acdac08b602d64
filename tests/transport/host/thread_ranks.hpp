// Ranks that meet in memory, as threads of one process, for tests.
#pragma once

#include "tests/transport/conformance.hpp"
#include "transport/host/threads_mesh.hpp"

namespace troupe::transport {

inline Ranks thread_ranks(int ranks, Duration timeout = std::chrono::seconds(30)) {
  const ThreadsMesh mesh(ranks, timeout);
  Ranks communicators;
  for (int rank = 0; rank < ranks; ++rank) communicators.push_back(mesh.communicator(rank));
  return communicators;
}

}  // namespace troupe::transport
