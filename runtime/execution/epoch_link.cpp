#include "runtime/execution/epoch_link.hpp"

#include <cstdlib>
#include <string_view>

#include "runtime/base/log.hpp"
#include "transport/host/communicator.hpp"
#include "transport/host/device_communicator.hpp"
#include "transport/host/shared_memory_mesh.hpp"
#include "transport/host/tcp_mesh.hpp"
#include "transport/lone_communicator.hpp"
#include "transport/nccl/communicator.hpp"
#include "transport/nccl/rendezvous.hpp"
#include "transport/ticking_communicator.hpp"

namespace troupe::runtime {
namespace {

// Null: there is none that can be used.
const transport::NcclCalls* nccl_of_this_machine() {
  try {
    return &transport::nccl_calls();
  } catch (const Error& missing) {
    log_event(LogLevel::info, "no_nccl", {{"reason", missing.what()}});
    return nullptr;
  }
}

// As NCCL itself reads it.
bool ranks_may_share_gpus() {
  const char* const value = std::getenv("NCCL_MULTI_RANK_GPU_ENABLE");
  return value != nullptr && std::string_view(value) == "1";
}

}  // namespace

EpochLink::EpochLink(EpochLinkOptions options, Publish publish)
    : options_(std::move(options)), publish_(std::move(publish)) {}

EpochLink::~EpochLink() = default;

void EpochLink::connect(kernels::Ops* device) {
  const auto& plan = options_.sharding;
  if (auto gpu = transport::gpu_of(device)) meet_gpus(std::move(gpu));
  auto world = connect({"world", transport::HostMemory::world, 0, plan.rank, plan.ranks()}, device);
  std::unique_ptr<transport::Communicator> group;
  if (plan.data_parallel > 1)
    group = connect({"group" + std::to_string(plan.group()), transport::HostMemory::group,
                     plan.rank - plan.group_rank(), plan.group_rank(), plan.tensor_parallel},
                    device);

  const std::lock_guard lock(abort_mutex_);
  world_ = std::move(world);
  group_ = std::move(group);
  if (stop_.stop_requested()) throw Error("the epoch was aborted", "epoch " + std::to_string(epoch()));
}

std::unique_ptr<transport::Communicator> EpochLink::connect(const Members& members, kernels::Ops* device) {
  TickBoard& board = options_.ticks ? *options_.ticks : unread_;
  std::unique_ptr<transport::Communicator> place;
  if (gpus_) {
    place = transport::nccl_communicator(gpus_, members.first_rank, members.size);
  } else if (members.size == 1) {
    place = transport::lone_communicator(device);
  } else {
    place = transport::host_communicator(make_mesh(members));
    if (device) place = transport::device_communicator(std::move(place), *device);
  }
  return std::make_unique<transport::TickingCommunicator>(std::move(place), board);
}

// What its ranks find out of each other is the same for all, and so is what they choose.
void EpochLink::meet_gpus(std::shared_ptr<kernels::cuda::Gpu> gpu) {
  const auto& plan = options_.sharding;
  const GpuExchange& how = options_.gpus;
  if (how.by == GpuExchange::By::host || plan.ranks() == 1) return;
  const transport::NcclOptions options{
      .epoch = {.rank = plan.rank, .size = plan.ranks(), .ticks = options_.ticks, .stuck = how.stuck},
      .secret = options_.secret,
      .calls = how.nccl ? how.nccl : nccl_of_this_machine(),
      .shares_gpu = ranks_may_share_gpus(),
      .connect_timeout = options_.connect_timeout};
  auto met = transport::connect_nccl(options, std::move(gpu), *this, stop_.get_token());
  if (!met.epoch && how.by == GpuExchange::By::nccl)
    throw CannotMeet(met.why_not, "--gpu-communicator nccl",
                     "give auto or host where ranks cannot have it, and no --require-rdma");
  if (plan.rank == 0)
    log_event(met.epoch ? LogLevel::info : LogLevel::warning, "gpu_communicator",
              {{"epoch", epoch()}, {"kind", met.epoch ? "nccl" : "host"}, {"reason", met.why_not}});
  gpus_ = std::move(met.epoch);
  why_not_nccl_ = std::move(met.why_not);
}

// All ranks of a communicator come to the same choice, as the memory of a host has all of its ranks.
std::unique_ptr<transport::Mesh> EpochLink::make_mesh(const Members& members) {
  const RanksOfHost& host = options_.host;
  const int first_place = members.first_rank - host.first_rank;
  if (host.memory && first_place >= 0 && first_place + members.size <= host.count)
    return transport::shared_memory_mesh({.rank = members.rank,
                                          .size = members.size,
                                          .memory = host.memory,
                                          .communicator = members.boxes,
                                          .first_place = first_place,
                                          .secret = options_.secret + members.name,
                                          .spins = host.spin,
                                          .connect_timeout = options_.connect_timeout,
                                          .timeout = options_.collective_timeout},
                                         stop_.get_token());
  return transport::tcp_mesh({.rank = members.rank,
                              .size = members.size,
                              .network = options_.network,
                              .secret = options_.secret + members.name,
                              .connect_timeout = options_.connect_timeout,
                              .timeout = options_.collective_timeout},
                             *this, stop_.get_token());
}

std::optional<std::string> EpochLink::get(const std::string& key, TimePoint deadline) {
  std::unique_lock lock(mutex_);
  if (!arrived_.wait_until(lock, stop_.get_token(), deadline, [&] { return addresses_.contains(key); }))
    return std::nullopt;
  return addresses_[key];
}

void EpochLink::address_arrived(const std::string& key, const std::string& address) {
  const std::lock_guard lock(mutex_);
  addresses_[key] = address;
  arrived_.notify_all();
}

void EpochLink::abort() noexcept {
  stop_.request_stop();
  const std::lock_guard lock(abort_mutex_);
  if (world_) world_->abort();
  if (group_) group_->abort();
}

}  // namespace troupe::runtime
