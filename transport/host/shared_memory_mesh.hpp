// Ranks of one host, through memory that they share. A rank that dies leaves its peers waiting until their
// deadline or an abort; the memory serves the next epoch all the same.
#pragma once

#include <chrono>
#include <memory>
#include <stop_token>
#include <string>

#include "transport/host/host_memory.hpp"
#include "transport/host/mesh.hpp"

namespace troupe::transport {

struct SharedMemoryOptions {
  int rank = 0;
  int size = 1;                          // a power of two
  HostMemory* memory = nullptr;          // outlives the mesh
  int communicator = HostMemory::world;  // whose boxes: two communicators of a rank need two
  int first_place = 0;                   // rank 0's place among the ranks of the host; the others follow
  std::string secret;                    // of the epoch and the communicator: no other has the same
  bool spins =
      false;  // looks for others for some microseconds before it sleeps; only where each of the ranks' threads
              // has a CPU
  Duration connect_timeout = std::chrono::seconds(10);  // to have met all ranks
  Duration timeout = std::chrono::seconds(30);          // of each wait for the others in a collective
};

// Returns when all ranks have arrived. Throws an Error that names one that did not come in time, or, at once,
// when stop is requested, from any thread.
std::unique_ptr<Mesh> shared_memory_mesh(const SharedMemoryOptions& options, std::stop_token stop = {});

}  // namespace troupe::transport
