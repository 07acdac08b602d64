#include "kernels/device.hpp"

#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "kernels/cpu/cpu_ops.hpp"
#include "kernels/cuda/cuda_ops.hpp"
#include "kernels/cuda/near_cpus.hpp"
#include "kernels/cuda/spin.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/ticks.hpp"

namespace troupe::kernels {
namespace {

using Kinds = std::map<std::string, DeviceFactory, std::less<>>;

std::unique_ptr<Ops> make_cuda_ops(int /*threads*/, TickBoard* ticks) {
  auto gpu = std::make_shared<cuda::Gpu>(cuda::driver_calls(), cuda::kernel_images(), 0);
  cuda::stay_on(cuda::cpus_near(gpu->bus_id()));
  return std::make_unique<cuda::CudaOps>(std::move(gpu), ticks);
}

void enter_first_layer(Queue& queue, TickBoard* ticks) {
  if (ticks) queue.set(ticks->place, ticks->at_layer(0));
}

Kinds& kinds() {
  static Kinds known{{"cpu", [](int threads, TickBoard* ticks) { return make_cpu_ops(threads, ticks); }},
                     {"cuda", make_cuda_ops}};
  return known;
}

}  // namespace

std::unique_ptr<Ops> make_ops(std::string_view device, int threads, TickBoard* ticks) {
  if (const auto found = kinds().find(device); found != kinds().end()) return found->second(threads, ticks);
  std::string known;
  for (const auto& [name, make] : kinds()) known += " " + name;
  throw Error("there is no kind of device " + std::string(device), "--device", "known:" + known);
}

void register_device(std::string_view name, DeviceFactory make) {
  CHECK(kinds().emplace(name, std::move(make)).second, "two kinds of devices of one name");
}

// By a row that is not there, which the device alone can see.
void break_device(Ops& ops, TickBoard* ticks) {
  const auto queue = ops.make_queue();
  const std::vector<std::int32_t> rows{1};
  IndexList list = rows;
  IndexList* const lists[] = {&list};
  StepLayout layout;
  ops.stage(*queue, layout, lists);
  const auto from = ops.allocate(sizeof(float)), to = ops.allocate(sizeof(float));
  enter_first_layer(*queue, ticks);
  ops.gather_rows(*queue, Tensor(from.get(), DType::f32, {1, 1}), list, Tensor(to.get(), DType::f32, {1, 1}));
  queue->wait(TimePoint::max());
  CHECK(false, "a device that took what it must refuse");
  std::abort();
}

void hang_device(Ops& ops, TickBoard* ticks) {
  const auto queue = ops.make_queue();
  const auto never = ops.allocate(sizeof(std::int32_t));  // zero
  enter_first_layer(*queue, ticks);
  if (dynamic_cast<cuda::CudaOps*>(&ops) != nullptr)
    cuda::CudaQueue::of(*queue).launch({}, cuda::Spin{static_cast<const std::int32_t*>(never.get())});
  queue->wait(TimePoint::max());
  for (volatile bool stuck = true; stuck;) continue;  // a CPU
  std::abort();
}

}  // namespace troupe::kernels
