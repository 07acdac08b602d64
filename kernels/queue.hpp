// Where work is enqueued, in order: a CUDA stream on a GPU, immediate
// execution on a CPU. Owned by the one thread that computes.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>

#include "runtime/base/clock.hpp"

namespace troupe::kernels {

class Queue {
 public:
  virtual ~Queue() = default;
  // Returns when all that was enqueued is done. Throws an Error that names the kernel or peer that failed, or
  // that the deadline passed. Nothing else blocks the host.
  virtual void wait(TimePoint deadline) = 0;
  // When all that was enqueued before is done, value is written there, where other threads and processes read it. to:
  // lies on the TickBoard that the device's Ops was made with. Here at once, for work that is done when it is enqueued.
  virtual void set(std::atomic<std::uint64_t>& to, std::uint64_t value) {
    to.store(value, std::memory_order_relaxed);
  }

  // wait() calls it again and again while it waits, and before it returns: what it throws ends the wait. For who knows of
  // failures that the device does not notice, such as those of peers.
  void watch(std::function<void()> check) { check_ = std::move(check); }

 protected:
  void look() const {
    if (check_) check_();
  }

 private:
  std::function<void()> check_;
};

// Work runs while it is enqueued, so there is nothing to wait for.
class ImmediateQueue final : public Queue {
 public:
  void wait(TimePoint) override { look(); }
};

}  // namespace troupe::kernels
