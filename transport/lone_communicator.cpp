#include "transport/lone_communicator.hpp"

#include "transport/host/device_communicator.hpp"
#include "transport/host/threads_mesh.hpp"
#include "transport/nccl/communicator.hpp"

namespace troupe::transport {

std::unique_ptr<Communicator> lone_communicator(kernels::Ops* device) {
  if (auto gpu = gpu_of(device))
    return nccl_communicator(std::make_shared<NcclEpoch>(NcclEpochOptions(), std::move(gpu), nullptr), 0, 1);
  auto host = ThreadsMesh(1).communicator(0);
  return device ? device_communicator(std::move(host), *device) : std::move(host);
}

}  // namespace troupe::transport
