// The communicator of ranks that have a GPU each: collectives by NCCL's own operations and kernels that bring into
// order what they carry, in the queue of the work. The same bytes as over meshes of the host. Also of one rank alone,
// which needs no NCCL.
#pragma once

#include <memory>

#include "transport/communicator.hpp"
#include "transport/nccl/nccl_epoch.hpp"

namespace troupe::transport {

// Of ranks [first, first + size) of the epoch's world, of which this is one; size: a power of two. Those of one epoch
// are given one and the same queue. Who destroys one leaves the epoch.
std::unique_ptr<Communicator> nccl_communicator(std::shared_ptr<NcclEpoch> epoch, int first, int size);

// The GPU that an Ops computes on; null: it is another device.
std::shared_ptr<kernels::cuda::Gpu> gpu_of(kernels::Ops* ops);

}  // namespace troupe::transport
