// Collectives among ranks whose devices' memory the host does not reach, by way of the host: what a rank brings is
// read, the wrapped communicator of the host carries it, and what comes is uploaded. For machines and tests without
// a communicator of the devices' own. A call returns when its result is there.
#pragma once

#include <memory>

#include "transport/communicator.hpp"

namespace troupe::transport {

// For tensors of ops, which outlives it. Of a device that is the host, the given one is enough, and is returned.
std::unique_ptr<Communicator> device_communicator(std::unique_ptr<Communicator> host, kernels::Ops& ops);

}  // namespace troupe::transport
