// Reads what GPUs say of themselves, without a context on them. Owned by one thread; a call may take long when a GPU is
// in trouble, so that is no thread on which others wait.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "kernels/cuda/nvml_calls.hpp"
#include "runtime/base/gpu_reading.hpp"

namespace troupe::kernels::cuda {

class GpuMonitor {
 public:
  // calls outlives it.
  explicit GpuMonitor(const NvmlCalls& calls);
  ~GpuMonitor();
  GpuMonitor(const GpuMonitor&) = delete;
  GpuMonitor& operator=(const GpuMonitor&) = delete;

  // From now on this is the rank's GPU: its number in the order of the PCI bus, or "GPU-" and the rest of its UUID, as
  // in CUDA_VISIBLE_DEVICES. What does not exist is passed over.
  void watch(std::int32_t rank, const std::string& gpu);
  std::vector<GpuReading> read();  // by rank

 private:
  struct Watched {
    NvmlDevice device = nullptr;
    std::string uuid{}, name{};
  };

  NvmlDevice find(const std::string& gpu) const;
  void take_events();
  GpuReading read(std::int32_t rank, const Watched& watched) const;

  const NvmlCalls& calls_;
  NvmlEvents events_ = nullptr;  // null: this machine has none
  std::map<std::int32_t, Watched> by_rank_;
  std::map<NvmlDevice, std::map<std::uint64_t, std::uint64_t>> xids_;  // of all that were ever watched
};

}  // namespace troupe::kernels::cuda
