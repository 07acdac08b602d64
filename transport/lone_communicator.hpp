// The communicator of a rank that is all of its group or world: what it exchanges stays where it is.
#pragma once

#include <memory>

#include "transport/communicator.hpp"

namespace troupe::transport {

// device: whose tensors it is for, and outlives it; null: the host's.
std::unique_ptr<Communicator> lone_communicator(kernels::Ops* device);

}  // namespace troupe::transport
