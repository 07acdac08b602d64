// Where work is enqueued, in order: a CUDA stream on a GPU, immediate
// execution on a CPU. Owned by the one thread that computes.
#pragma once

#include "runtime/base/clock.hpp"

namespace troupe::kernels {

class Queue {
 public:
  virtual ~Queue() = default;
  // Returns when all that was enqueued is done. Throws an Error that names the kernel or peer that failed, or
  // that the deadline passed. Nothing else blocks the host.
  virtual void wait(TimePoint deadline) = 0;
};

// Work runs while it is enqueued, so there is nothing to wait for.
class ImmediateQueue final : public Queue {
 public:
  void wait(TimePoint) override {}
};

}  // namespace troupe::kernels
