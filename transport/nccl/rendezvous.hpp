// How the GPUs of an epoch meet: each rank leaves in the store which NCCL it has and which GPU; all look at all of that and
// come to the same choice. Nobody enters NCCL before everybody is there. Used by the one thread that connects.
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "transport/address_store.hpp"
#include "transport/nccl/nccl_epoch.hpp"

namespace troupe::transport {

// How long NCCL may take once all ranks are there.
constexpr Duration nccl_connect_limit = std::chrono::seconds(60);

struct NcclOptions {
  NcclEpochOptions epoch;
  std::string secret;                // the epoch's
  const NcclCalls* calls = nullptr;  // outlives what is made; null: this rank has no NCCL
  bool shares_gpu =
      false;  // this rank's NCCL was told to let ranks have one GPU together, which it can since 2.30
  Duration connect_timeout = std::chrono::seconds(3);  // until all ranks are there
};

struct NcclMeeting {
  std::shared_ptr<NcclEpoch> epoch;  // null: they cannot
  std::string why_not;
};

// Throws Error that names who is missing at the deadline, or what NCCL says. The ranks cannot when one has no NCCL or
// another version, or when two have the same GPU and their NCCL does not let them.
NcclMeeting connect_nccl(const NcclOptions& options, std::shared_ptr<kernels::cuda::Gpu> gpu,
                         AddressStore& store, const std::stop_token& stop);

}  // namespace troupe::transport
