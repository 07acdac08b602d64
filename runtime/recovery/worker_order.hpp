// What a node tells a worker process when it starts it, by inherited files: the order itself, the tick board,
// a pipe whose end means that the node is gone, and what all workers of the node share.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/base/child_process.hpp"
#include "runtime/recovery/orders.hpp"

namespace troupe::runtime {

struct WorkerOrder {
  StartWorker start;
  std::string host;  // of the replica's supervisor
  std::uint16_t port = 0;
  int threads = 1;
  std::string network;  // of the collectives: IP address or interface
  std::string log_level;
  bool spin = false;  // the host has a CPU for each thread of its ranks
};

std::string to_text(const WorkerOrder& order);
// Throws Error when it is no order.
WorkerOrder worker_order(const std::string& text);

// The files' places in the worker; those that the node's owner shares with all workers follow one another.
struct InheritedFiles {
  static constexpr int order = first_inherited_fd, ticks = order + 1, node_alive = order + 2,
                       first_shared = order + 3;
};

}  // namespace troupe::runtime
