// The communicator of ranks whose tensors the host can reach: each collective once, over a Mesh that carries
// the messages. Its calls run at once, whatever the queue.
#pragma once

#include <memory>

#include "transport/communicator.hpp"
#include "transport/host/mesh.hpp"

namespace troupe::transport {

std::unique_ptr<Communicator> host_communicator(std::unique_ptr<Mesh> mesh);

}  // namespace troupe::transport
