#include "actors/gpu_watch.hpp"

#include "kernels/cuda/gpu_monitor.hpp"

namespace troupe::actors {
namespace {

constexpr std::chrono::seconds between_looks{5};

}  // namespace

GpuWatchHandle watch_gpus(caf::actor_system& system, const GpuReadingsHandle& readers) {
  const auto* const calls = kernels::cuda::nvml_calls();
  return calls ? system.spawn<caf::detached>(gpu_watch, readers, calls) : GpuWatchHandle{};
}

GpuWatchHandle::behavior_type gpu_watch(GpuWatchHandle::stateful_pointer<GpuWatchState> self,
                                        GpuReadingsHandle readers, const kernels::cuda::NvmlCalls* calls) {
  self->state.monitor = std::make_shared<kernels::cuda::GpuMonitor>(*calls);
  self->delayed_send(self, between_looks, Due{});
  return {
      [self](const WatchGpu& order) { self->state.monitor->watch(order.rank, order.gpu); },
      [self, readers](const Due&) {
        self->delayed_send(self, between_looks, Due{});
        if (auto all = self->state.monitor->read(); !all.empty())
          self->send(readers, GpuReadings{std::move(all)});
      },
  };
}

}  // namespace troupe::actors
