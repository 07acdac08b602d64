// What the ranks of one epoch have of NCCL: a communicator of all of them, which those of the world and of groups
// share, and its end. The thread that computes connects and enqueues; end() comes from any thread.
//
// NCCL's calls do not block here; while one is under way it is asked for again and again. Nobody else is within NCCL
// meanwhile but who ends the epoch, on a thread of its own: that may take as long as it likes.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include "kernels/cuda/cuda_queue.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/base/ticks.hpp"
#include "transport/nccl/nccl_calls.hpp"

namespace troupe::transport {

// An end that has not come loose by then never may: the GPU is blocked, and this process of no more use.
constexpr Duration nccl_end_limit = std::chrono::seconds(2);

struct NcclEpochOptions {
  int rank = 0, size = 1;      // of the world
  TickBoard* ticks = nullptr;  // outlives it; may be unset
  Duration end_limit = nccl_end_limit;
  std::function<void(const std::string& why)> stuck = {};  // what is done then; called by a thread of its own
};

class NcclEpoch : public std::enable_shared_from_this<NcclEpoch> {
 public:
  // calls: outlives it; unset for a rank that is alone, which needs no NCCL.
  NcclEpoch(NcclEpochOptions options, std::shared_ptr<kernels::cuda::Gpu> gpu, const NcclCalls* calls);
  NcclEpoch(const NcclEpoch&) = delete;
  NcclEpoch& operator=(const NcclEpoch&) = delete;

  int rank() const { return options_.rank; }
  int size() const { return options_.size; }
  kernels::cuda::Gpu& gpu() { return *gpu_; }

  // Once: returns when all ranks have come with the same id, and ticks meanwhile. Throws Error, and it is over, when that
  // fails, when the deadline passes and when the token says stop; DeviceError when the GPU has failed.
  void join(const NcclUniqueId& id, TimePoint deadline, const std::stop_token& stop);

  // What goes to a rank of the world, and how much room there is for what comes from there; nothing where it is empty.
  struct Parcel {
    int peer = 0;
    const void* out = nullptr;
    std::size_t out_bytes = 0;
    void* in = nullptr;
    std::size_t in_bytes = 0;
  };
  // Enqueue. collective: of which it is a part, for errors, which all calls throw when the epoch is over. A failure that is
  // the GPU's own is a DeviceError, and the end of the epoch, too.
  void exchange(kernels::cuda::CudaQueue& queue, const char* collective, std::span<const Parcel> parcels);
  // all[r] = mine of rank r of the world.
  void all_gather(kernels::cuda::CudaQueue& queue, const char* collective, const void* mine, void* all,
                  std::size_t bytes);
  // Throws when the epoch is over.
  void check_alive(const char* collective) const;
  // The same, once NCCL has been asked; waits for nobody.
  void check(const char* collective);
  // Ends the epoch with the reason, or with one that it had before, and throws that.
  [[noreturn]] void fail(const char* collective, std::string_view reason);
  // Ends it for this rank; whatever is enqueued comes loose after a while.
  void end(std::string_view reason) noexcept;

 private:
  [[noreturn]] void fail(const char* collective, NcclResult result,
                         const kernels::cuda::CudaQueue* queue = nullptr);
  [[noreturn]] void fail_again(const char* collective) const;
  std::unique_lock<std::mutex> enter(const char* collective);
  template <class Enqueue>
  void enqueue(kernels::cuda::CudaQueue& queue, const char* collective, Enqueue enqueue);
  NcclResult state() const;
  void tick() const;
  void come_loose() noexcept;

  const NcclEpochOptions options_;
  const std::shared_ptr<kernels::cuda::Gpu> gpu_;
  const NcclCalls* const calls_;

  TimePoint connects_until_{};  // of the thread that computes

  std::mutex nccl_;          // who has it is within NCCL
  NcclComm comm_ = nullptr;  // guarded by nccl_
  // Likewise: on which NCCL has been told to enqueue, which threads of its own may be at until it has come loose.
  std::set<std::shared_ptr<kernels::cuda::StreamHandle>> streams_;
  std::atomic<bool> over_{false};
  mutable std::mutex mutex_;
  std::string failure_;  // guarded by mutex_; why the epoch is over; empty while it is not
};

}  // namespace troupe::transport
