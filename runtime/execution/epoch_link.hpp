// A rank's connections to the others in one epoch, and the way to end them from outside. The compute thread
// connects and computes; any thread may bring addresses or abort, and an abort wakes the compute thread
// wherever it waits for others.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>

#include "model/decoder.hpp"
#include "runtime/base/ticks.hpp"
#include "transport/address_store.hpp"
#include "transport/communicator.hpp"
#include "transport/host/host_memory.hpp"

namespace troupe::kernels::cuda {
class Gpu;
}
namespace troupe::transport {
struct NcclCalls;
class NcclEpoch;
}  // namespace troupe::transport

namespace troupe::runtime {

// The ranks of one host that share memory.
struct RanksOfHost {
  transport::HostMemory* memory = nullptr;  // outlives the link; unset: there is none
  int first_rank = 0, count = 0;            // [first_rank, first_rank + count) of the world
  bool spin = false;                        // see transport::SharedMemoryOptions
};

// What carries tensors between ranks that compute on GPUs; the same on all of them.
struct GpuExchange {
  enum class By { host, nccl_if_all_have_it, nccl } by = By::host;
  const transport::NcclCalls* nccl = nullptr;  // outlives the link; unset: this machine's, if it has any
  // NCCL has not ended an epoch in time, and this process is to be replaced; called by a thread of its own.
  std::function<void(const std::string& why)> stuck = {};
};

// The ranks are all there, and their GPUs cannot exchange tensors as was ordered.
class CannotMeet : public Error {
 public:
  using Error::Error;
};

struct EpochLinkOptions {
  Epoch epoch = 0;
  model::ShardingPlan sharding;
  std::string network;    // IP address or interface, see transport::TcpOptions
  std::string secret;     // the epoch's
  RanksOfHost host = {};  // those on this rank's host, if its node gave them memory
  GpuExchange gpus = {};
  Duration connect_timeout = std::chrono::seconds(3);
  Duration collective_timeout =
      std::chrono::hours(1);   // a last resort: who waits in vain is found by the ticks
  TickBoard* ticks = nullptr;  // outlives the link; may be unset
};

class EpochLink final : private transport::AddressStore {
 public:
  // publish tells the other ranks an address of this one; called from the thread that connects.
  using Publish = std::function<void(const std::string& key, const std::string& address)>;

  EpochLink(EpochLinkOptions options, Publish publish);
  ~EpochLink() override;

  Epoch epoch() const { return options_.epoch; }
  // Compute thread: meets the other ranks. device: whose tensors they exchange, and not those of the host; outlives the
  // link. Throws Error when one is missing or after abort(), CannotMeet.
  void connect(kernels::Ops* device = nullptr);
  // Compute thread, after connect(); valid while the link lives. What fails in them is a PeerError.
  transport::Communicators communicators() const { return {group_ ? *group_ : *world_, *world_}; }

  // Compute thread, after connect(): whether NCCL carries the tensors, and why it does not.
  bool by_nccl() const { return gpus_ != nullptr; }
  const std::string& why_not_nccl() const { return why_not_nccl_; }

  void address_arrived(const std::string& key, const std::string& address);  // any thread
  void abort() noexcept;                                                     // any thread

 private:
  void set(const std::string& key, const std::string& value) override { publish_(key, value); }
  std::optional<std::string> get(const std::string& key, TimePoint deadline) override;

  // The ranks of a communicator: [first_rank, first_rank + size) of the world, of which this is the rank'th.
  struct Members {
    std::string name;
    int boxes;  // in the host's memory
    int first_rank, rank, size;
  };
  std::unique_ptr<transport::Communicator> connect(const Members& members, kernels::Ops* device);
  void meet_gpus(std::shared_ptr<kernels::cuda::Gpu> gpu);
  std::unique_ptr<transport::Mesh> make_mesh(const Members& members);

  const EpochLinkOptions options_;
  const Publish publish_;
  TickBoard unread_;  // when there is no other
  std::stop_source stop_;
  std::shared_ptr<transport::NcclEpoch> gpus_;  // null: tensors go by way of the host
  std::string why_not_nccl_;

  std::mutex mutex_;
  std::condition_variable_any arrived_;
  std::map<std::string, std::string> addresses_;

  std::mutex abort_mutex_;                                  // guards the communicators' birth and abort
  std::unique_ptr<transport::Communicator> world_, group_;  // group_: unset when it is all of them
};

}  // namespace troupe::runtime
