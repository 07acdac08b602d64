// Ranks over shared memory as threads of one process, for tests.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "transport/host/communicator.hpp"
#include "transport/host/shared_memory_mesh.hpp"

namespace troupe::transport {

// Memory as a node makes it.
inline HostMemory& new_host_memory() {
  static std::vector<std::unique_ptr<Shared<HostMemory>>> all;
  return **all.emplace_back(std::make_unique<Shared<HostMemory>>(host_memory_file()));
}

inline SharedMemoryOptions shared_memory_options(HostMemory& memory, int rank, int ranks,
                                                 const std::string& secret = "a secret",
                                                 Duration timeout = std::chrono::seconds(60)) {
  return {.rank = rank,
          .size = ranks,
          .memory = &memory,
          .secret = secret,
          .connect_timeout = std::chrono::seconds(60),
          .timeout = timeout};
}

// All ranks of an epoch, which have arrived.
inline std::vector<std::unique_ptr<Communicator>> shared_memory_ranks(
    const std::vector<SharedMemoryOptions>& options) {
  std::vector<std::unique_ptr<Communicator>> communicators(options.size());
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < options.size(); ++i)
      threads.emplace_back(
          [&, i] { EXPECT_NO_THROW(communicators[i] = host_communicator(shared_memory_mesh(options[i]))); });
  }
  return communicators;
}

// The same, in memory where many epochs left what they left.
inline std::vector<std::unique_ptr<Communicator>> shared_memory_ranks(int ranks, Duration timeout) {
  static HostMemory& memory = new_host_memory();
  static int epoch = 0;
  std::vector<SharedMemoryOptions> options;
  ++epoch;
  for (int rank = 0; rank < ranks; ++rank) {
    options.push_back(shared_memory_options(memory, rank, ranks, "epoch" + std::to_string(epoch), timeout));
    options.back().spins = epoch % 2 == 0;
  }
  return shared_memory_ranks(options);
}

}  // namespace troupe::transport
