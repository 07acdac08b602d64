// `--device cuda-emulated`: the program that serves, with one kind of device more. Each of its processes that computes
// has an emulated GPU of its own.
#include "config/devices.hpp"
#include "kernels/device.hpp"
#include "tests/kernels/cuda/emulated/ops.hpp"

namespace troupe::kernels::cuda::emulated {
namespace {

std::unique_ptr<Ops> make_emulated_ops(int, TickBoard* ticks) {
  static const Machine& machine [[maybe_unused]] = *new Machine;  // to the end of the process
  return make_ops(0, ticks);
}

const bool known [[maybe_unused]] = [] {
  constexpr const char* name = "cuda-emulated";
  config::devices().push_back(name);
  register_device(name, make_emulated_ops);
  return true;
}();

}  // namespace
}  // namespace troupe::kernels::cuda::emulated
