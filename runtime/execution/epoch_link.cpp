#include "runtime/execution/epoch_link.hpp"

#include "transport/local/local.hpp"
#include "transport/ticking_communicator.hpp"

namespace troupe::runtime {

EpochLink::EpochLink(EpochLinkOptions options, Publish publish)
    : options_(std::move(options)), publish_(std::move(publish)) {}

EpochLink::~EpochLink() = default;

void EpochLink::connect() {
  const auto& plan = options_.sharding;
  auto world = connect("world", plan.rank, plan.ranks());
  std::unique_ptr<transport::Communicator> group;
  if (plan.data_parallel > 1)
    group = connect("group" + std::to_string(plan.group()), plan.group_rank(), plan.tensor_parallel);

  const std::lock_guard lock(abort_mutex_);
  world_ = std::move(world);
  group_ = std::move(group);
  if (stop_.stop_requested()) throw Error("the epoch was aborted", "epoch " + std::to_string(epoch()));
}

std::unique_ptr<transport::Communicator> EpochLink::connect(const std::string& name, int rank, int size) {
  auto made = size == 1 ? transport::LocalMesh(1).communicator(0)
                        : transport::connect_gloo({.rank = rank,
                                                   .size = size,
                                                   .network = options_.network,
                                                   .secret = options_.secret + name,
                                                   .connect_timeout = options_.connect_timeout,
                                                   .timeout = options_.collective_timeout},
                                                  *this, stop_.get_token());
  TickBoard& board = options_.ticks ? *options_.ticks : unread_;
  return std::make_unique<transport::TickingCommunicator>(std::move(made), board);
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
