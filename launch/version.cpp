#include <iostream>

#include "kernels/cuda/device_calls.hpp"
#include "kernels/device.hpp"
#include "kernels/ops.hpp"
#include "launch/command_line.hpp"
#include "transport/nccl/nccl_calls.hpp"

namespace troupe::launch {
namespace {

constexpr config::Page page{.command = "version",
                            .summary = "prints the version",
                            .description =
                                "Prints the program's name and version, and on request what it can "
                                "compute on: NVIDIA's driver and GPUs, if it finds any, and the "
                                "GPUs that it has kernels for.",
                            .examples = "$ troupe version --verbose"};

void tell_devices() {
  const kernels::cuda::FoundDevices found = kernels::cuda::find_devices();
  const std::string nccl = transport::installed_nccl_version();
  std::cout << "cuda: ";
  if (found.missing.empty())
    std::cout << "driver " << (found.driver.empty() ? "" : found.driver + " ") << "for CUDA " << found.cuda
              << ", " << found.gpus;
  else
    std::cout << found.missing;
  std::cout << "; " << found.kernels << "\n"
            << "nccl: " << (nccl.empty() ? "none that serves" : nccl) << "\n"
            << "arithmetic: " << kernels::make_ops("cpu", 1)->arithmetic() << "\n";
}

}  // namespace

int version(const Arguments& arguments) {
  bool verbose = false;
  config::Table table{
      {.name = "verbose", .target = &verbose, .help = "Say what was found of CUDA.", .flag_only = true}};
  if (!read_command_line(page, table, arguments)) return 0;
  std::cout << "troupe " TROUPE_VERSION "\n";
  if (verbose) tell_devices();
  return 0;
}

}  // namespace troupe::launch
