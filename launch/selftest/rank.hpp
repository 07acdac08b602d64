// One rank of a self-test: a process of its own, as a worker is, with the same way to the others.
#pragma once

#include <chrono>
#include <string>

#include "runtime/base/child_process.hpp"

namespace troupe::launch {

struct SelftestOrder {
  int rank = 0, ranks = 1;
  int first_of_host = 0, of_host = 1;  // the ranks that share this rank's host memory
  std::string device = "cpu";
  std::string network;                   // as runtime::EpochLinkOptions has it
  std::string secret;                    // of all ranks
  std::chrono::milliseconds patience{};  // of a rank with the others, when it meets them and in a collective
  std::string nccl_log;                  // file, where NCCL writes what it does; empty: nobody reads it
};
std::string to_text(const SelftestOrder& order);

// The files' places in its process: the order, the memory of the host's ranks, and a socket over which addresses come
// and go ({"key", "address"}), and at the end its report does.
struct SelftestFiles {
  static constexpr int order = first_inherited_fd, host_memory = order + 1, channel = order + 2;
};

// All that such a process does; returns its exit code.
int run_selftest_rank();

}  // namespace troupe::launch
