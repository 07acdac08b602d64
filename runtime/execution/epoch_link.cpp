#include "runtime/execution/epoch_link.hpp"

#include "transport/host/communicator.hpp"
#include "transport/host/shared_memory_mesh.hpp"
#include "transport/host/tcp_mesh.hpp"
#include "transport/host/threads_mesh.hpp"
#include "transport/ticking_communicator.hpp"

namespace troupe::runtime {

EpochLink::EpochLink(EpochLinkOptions options, Publish publish)
    : options_(std::move(options)), publish_(std::move(publish)) {}

EpochLink::~EpochLink() = default;

void EpochLink::connect() {
  const auto& plan = options_.sharding;
  auto world = connect({"world", transport::HostMemory::world, 0, plan.rank, plan.ranks()});
  std::unique_ptr<transport::Communicator> group;
  if (plan.data_parallel > 1)
    group = connect({"group" + std::to_string(plan.group()), transport::HostMemory::group,
                     plan.rank - plan.group_rank(), plan.group_rank(), plan.tensor_parallel});

  const std::lock_guard lock(abort_mutex_);
  world_ = std::move(world);
  group_ = std::move(group);
  if (stop_.stop_requested()) throw Error("the epoch was aborted", "epoch " + std::to_string(epoch()));
}

std::unique_ptr<transport::Communicator> EpochLink::connect(const Members& members) {
  TickBoard& board = options_.ticks ? *options_.ticks : unread_;
  return std::make_unique<transport::TickingCommunicator>(
      members.size == 1 ? transport::ThreadsMesh(1).communicator(0)
                        : transport::host_communicator(make_mesh(members)),
      board);
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
