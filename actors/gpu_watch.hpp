// Tells a node, every few seconds, how the GPUs of its ranks are. Spawned detached: what it asks may take long.
#pragma once

#include <memory>

#include "actors/handles.hpp"

namespace troupe::kernels::cuda {
class GpuMonitor;
struct NvmlCalls;
}  // namespace troupe::kernels::cuda

namespace troupe::actors {

// Node -> GpuWatch: this is a rank's GPU, as CUDA_VISIBLE_DEVICES names it.
struct WatchGpu {
  std::int32_t rank = 0;
  std::string gpu;
};

// Due: a look at them.
using GpuWatchHandle = caf::typed_actor<caf::reacts_to<WatchGpu>, caf::reacts_to<Due>>;
using GpuReadingsHandle = caf::typed_actor<caf::reacts_to<GpuReadings>>;

struct GpuWatchState {
  static inline const char* name = "gpu_watch";
  std::shared_ptr<kernels::cuda::GpuMonitor> monitor;
};

// Of this machine's GPUs; unset where nothing tells of any. Ends when it is told to.
GpuWatchHandle watch_gpus(caf::actor_system& system, const GpuReadingsHandle& readers);

// calls outlives it.
GpuWatchHandle::behavior_type gpu_watch(GpuWatchHandle::stateful_pointer<GpuWatchState> self,
                                        GpuReadingsHandle readers, const kernels::cuda::NvmlCalls* calls);

}  // namespace troupe::actors

// Never leaves its process.
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::WatchGpu)
