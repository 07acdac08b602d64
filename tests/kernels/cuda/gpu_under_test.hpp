// The GPU that tests run on: that of fibers, or, with TROUPE_TEST_GPU=1, the first of this machine. While it lives,
// there is no other.
#pragma once

#include <cstdlib>
#include <memory>
#include <optional>

#include "kernels/cuda/cuda_ops.hpp"
#include "tests/kernels/cuda/emulated/device.hpp"

namespace troupe::kernels::cuda {

inline bool tests_run_on_a_real_gpu() {
  static const bool real = std::getenv("TROUPE_TEST_GPU") != nullptr;
  return real;
}

class GpuUnderTest {
 public:
  explicit GpuUnderTest(const emulated::MachineOptions& options = {}) {
    if (!tests_run_on_a_real_gpu()) machine_.emplace(options);
  }
  // ordinal: of an emulated machine that has several; ranks share a real GPU.
  static std::shared_ptr<Gpu> gpu(int ordinal = 0) {
    if (tests_run_on_a_real_gpu()) return std::make_shared<Gpu>(driver_calls(), kernel_images(), 0);
    return std::make_shared<Gpu>(emulated::Machine::calls(), emulated::Machine::images(), ordinal);
  }
  static std::unique_ptr<Ops> make_ops(int ordinal = 0, TickBoard* ticks = nullptr) {
    return std::make_unique<CudaOps>(gpu(ordinal), ticks);
  }
  // What the emulated device says of its first fault; a real one says nothing of this.
  std::optional<std::string> fault() const {
    return machine_ ? std::optional(machine_->fault(0)) : std::nullopt;
  }

 private:
  std::optional<emulated::Machine> machine_;
};

}  // namespace troupe::kernels::cuda
