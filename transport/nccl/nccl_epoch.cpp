#include "transport/nccl/nccl_epoch.hpp"

#include <future>
#include <thread>
#include <utility>

#include "runtime/base/error.hpp"

namespace troupe::transport {

using kernels::cuda::CudaQueue;

NcclEpoch::NcclEpoch(NcclEpochOptions options, std::shared_ptr<kernels::cuda::Gpu> gpu,
                     const NcclCalls* calls)
    : options_(std::move(options)), gpu_(std::move(gpu)), calls_(calls) {
  CHECK(options_.size == 1 || calls_ != nullptr, "ranks without NCCL");
}

void NcclEpoch::join(const NcclUniqueId& id, TimePoint deadline, const std::stop_token& stop) {
  constexpr const char* what = "connect";
  constexpr std::chrono::milliseconds pause{1};
  NcclConfig config;
  gpu_->use();
  connects_until_ = deadline;
  NcclResult result = nccl_success;
  for (bool begun = false;; begun = true) {
    {
      const auto lock = enter(what);
      result = begun ? state() : calls_->init(&comm_, size(), id, rank(), &config);
      if (result == nccl_success) return;
      if (result != nccl_in_progress) fail(what, result);
    }
    tick();
    if (stop.stop_requested()) fail(what, "the epoch was aborted");
    if (now() >= deadline) fail(what, "NCCL did not connect the ranks in time");
    std::this_thread::sleep_for(pause);
  }
}

void NcclEpoch::exchange(CudaQueue& queue, const char* collective, std::span<const Parcel> parcels) {
  enqueue(queue, collective, [&] {
    NcclResult all = calls_->group_start();
    if (all != nccl_success) return all;
    const auto note = [&](NcclResult next) {  // the first failure
      if (all == nccl_success || (all == nccl_in_progress && next != nccl_success)) all = next;
    };
    for (const Parcel& p : parcels) {
      if (p.out_bytes > 0) note(calls_->send(p.out, p.out_bytes, nccl_bytes, p.peer, comm_, queue.stream()));
      if (p.in_bytes > 0) note(calls_->receive(p.in, p.in_bytes, nccl_bytes, p.peer, comm_, queue.stream()));
    }
    note(calls_->group_end());  // whatever happened: the thread must not stay in the group
    return all;
  });
}

void NcclEpoch::all_gather(CudaQueue& queue, const char* collective, const void* mine, void* all,
                           std::size_t bytes) {
  enqueue(queue, collective,
          [&] { return calls_->all_gather(mine, all, bytes, nccl_bytes, comm_, queue.stream()); });
}

// Nothing that follows may be enqueued before NCCL says that this is.
template <class Enqueue>
void NcclEpoch::enqueue(CudaQueue& queue, const char* collective, Enqueue call) {
  gpu_->use();
  queue.note(collective);
  for (bool begun = false;; begun = true) {
    {
      const auto lock = enter(collective);
      if (!begun) streams_.insert(queue.shared_stream());
      const NcclResult result = begun ? state() : call();
      if (result == nccl_success) return;
      if (result != nccl_in_progress) fail(collective, result, &queue);
    }
    tick();
    std::this_thread::yield();
  }
}

// Ranks that meet connect, now and when they first exchange, for as long as the deadline of that allows. In a step a rank
// that does not move says nothing.
void NcclEpoch::tick() const {
  TickBoard* const ticks = options_.ticks;
  if (ticks && ticks->activity == Activity::joining && now() < connects_until_) ticks->piece_done();
}

NcclResult NcclEpoch::state() const {
  NcclResult state = nccl_success;
  const NcclResult asked = calls_->async_error(comm_, &state);
  return asked == nccl_success ? state : asked;
}

// Only who ends the epoch may be within NCCL meanwhile, and for long: whom nobody waits for.
std::unique_lock<std::mutex> NcclEpoch::enter(const char* collective) {
  for (;;) {
    std::unique_lock lock(nccl_, std::try_to_lock);
    check_alive(collective);
    if (lock) return lock;
    std::this_thread::yield();
  }
}

void NcclEpoch::check_alive(const char* collective) const {
  if (over_) fail_again(collective);
}

void NcclEpoch::check(const char* collective) {
  if (size() == 1) return check_alive(collective);
  const auto lock = enter(collective);
  const NcclResult now = state();
  if (now != nccl_success && now != nccl_in_progress) fail(collective, now);
}

// Some failures of NCCL are the device's own, with which no later epoch could do anything.
void NcclEpoch::fail(const char* collective, NcclResult result, const CudaQueue* queue) {
  end(describe(*calls_, result));
  if (queue) queue->done();  // who has one knows what runs there
  gpu_->require_alive();
  fail_again(collective);
}

void NcclEpoch::fail(const char* collective, std::string_view reason) {
  end(reason);
  fail_again(collective);
}

void NcclEpoch::fail_again(const char* collective) const {
  const std::lock_guard lock(mutex_);
  throw Error(failure_,
              "rank " + std::to_string(rank()) + " of " + std::to_string(size()) + ", " + collective);
}

void NcclEpoch::end(std::string_view reason) noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (over_) return;
    failure_ = reason;
    over_ = true;
  }
  if (size() == 1) return;
  try {
    std::promise<void> loose;
    std::thread([ended = loose.get_future(), limit = options_.end_limit, stuck = options_.stuck] {
      if (ended.wait_for(limit) != std::future_status::ready && stuck)
        stuck("NCCL has not ended the epoch within " +
              std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(limit).count()) + " ms");
    }).detach();
    std::thread([epoch = shared_from_this(), loose = std::move(loose)]() mutable {
      epoch->come_loose();
      loose.set_value();
    }).detach();
  } catch (const std::system_error& no_thread) {
    if (options_.stuck) options_.stuck(std::string("nobody to end NCCL's work: ") + no_thread.what());
  }
}

void NcclEpoch::come_loose() noexcept {
  const std::lock_guard lock(nccl_);
  gpu_->try_use();
  if (comm_ == nullptr) return;
  const NcclResult ended = calls_->abort(std::exchange(comm_, nullptr));
  streams_.clear();
  if (ended != nccl_success && ended != nccl_in_progress && options_.stuck)
    options_.stuck(describe(*calls_, ended));
}

}  // namespace troupe::transport
