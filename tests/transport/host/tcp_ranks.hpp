// Ranks over TCP as threads of one process, for tests.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/transport/memory_store.hpp"
#include "transport/host/communicator.hpp"
#include "transport/host/tcp_mesh.hpp"

namespace troupe::transport {

inline TcpOptions tcp_options(int rank, int ranks, Duration timeout = std::chrono::seconds(60)) {
  return {.rank = rank,
          .size = ranks,
          .network = "127.0.0.1",
          .secret = "a secret",
          .connect_timeout = std::chrono::seconds(60),
          .timeout = timeout};
}

inline std::unique_ptr<Communicator> connect_tcp(const TcpOptions& options, AddressStore& store,
                                                 std::stop_token stop = {}) {
  return host_communicator(tcp_mesh(options, store, std::move(stop)));
}

// All ranks of an epoch, connected.
inline std::vector<std::unique_ptr<Communicator>> tcp_ranks(int ranks, Duration timeout) {
  MemoryStore store;
  std::vector<std::unique_ptr<Communicator>> communicators(static_cast<std::size_t>(ranks));
  {
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < ranks; ++rank) {
      threads.emplace_back([&, rank] {
        EXPECT_NO_THROW(communicators[std::size_t(rank)] =
                            connect_tcp(tcp_options(rank, ranks, timeout), store));
      });
    }
  }
  return communicators;
}

}  // namespace troupe::transport
