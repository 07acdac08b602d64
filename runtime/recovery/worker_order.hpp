// What a node tells a worker process when it starts it, by inherited files: the order itself, the tick board,
// a pipe whose end means that the node is gone, a socket to the node's held memory, what all workers of the node share,
// and what it holds of the rank's life before.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/child_process.hpp"
#include "runtime/base/held_memory.hpp"
#include "runtime/recovery/orders.hpp"

namespace troupe::runtime {

using Variables = std::vector<std::pair<std::string, std::string>>;  // name, value

struct WorkerOrder {
  StartWorker start;
  std::string host;  // of the replica's supervisor
  std::uint16_t port = 0;
  int threads = 1;
  std::string network;  // of the collectives: IP address or interface
  std::string log_level;
  bool spin = false;              // the host has a CPU for each thread of its ranks
  bool keep_weights = false;      // the node holds them for the next life
  std::vector<HeldPiece> held{};  // of the life before; their files are inherited, in order
  // What it finds in its environment, whatever the node has there under these names; no part of the order's text.
  Variables environment{};
};

std::string to_text(const WorkerOrder& order);
// Throws Error when it is no order.
WorkerOrder worker_order(const std::string& text);

// This process' environment without what mpirun set for it alone, and with a worker's own variables.
std::vector<std::string> environment_of_worker(const Variables& own);

// The files' places in the worker; those that the node's owner shares with all workers follow one another, and behind
// them those of WorkerOrder::held.
struct InheritedFiles {
  static constexpr int order = first_inherited_fd, ticks = order + 1, node_alive = order + 2,
                       held_memory = order + 3, first_shared = order + 4;
};

}  // namespace troupe::runtime
