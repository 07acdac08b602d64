#include <algorithm>
#include <cstdlib>

#include "launch/doctor/machine_findings.hpp"

namespace troupe::launch::doctor {
namespace {

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& each : texts) all += (all.empty() ? "" : ", ") + each;
  return all;
}

bool computes(const GpuReadings& gpus) {
  return gpus.found.missing.empty() && !gpus.found.gpus.empty() && gpus.found.gpus != "no GPU";
}

// The driver's library is not to be had, or has no GPU.
Finding no_gpu(const GpuReadings& gpus, const ServerPlan& plan) {
  const Severity severity = plan.on_gpus ? Severity::critical : Severity::warning;
  const std::string library = gpus.found.missing.empty() ? gpus.found.gpus : gpus.found.missing;
  if (gpus.on_bus.empty())
    return {severity, "driver", "--device cuda is asked for, and this machine has no NVIDIA GPU.",
            "/sys/bus/pci/devices has none; " + library, "--device cpu, or another machine"};
  const std::string on_bus = "on the bus: " + joined(gpus.on_bus) + "; " + library;
  if (gpus.kernel_driver.empty())
    return {severity, "driver", "There are NVIDIA GPUs, and no driver of theirs is loaded.", on_bus,
            "install NVIDIA's driver, " + std::to_string(least_driver) + " or later"};
  return {
      severity, "driver", "The driver is loaded, and this process cannot use its GPUs.",
      on_bus + "; the kernel has driver " + gpus.kernel_driver +
          (gpus.device_files ? "" : "; /dev/nvidiactl is not there"),
      "of a container: --gpus all, with NVIDIA_DRIVER_CAPABILITIES=compute,utility; else see CUDA_VISIBLE_DEVICES"};
}

}  // namespace

Findings of_driver(const GpuReadings& gpus, const ServerPlan& plan) {
  if (!computes(gpus)) {
    if (gpus.on_bus.empty() && !plan.on_gpus) return {};
    return {no_gpu(gpus, plan)};
  }
  Findings all;
  if (plan.on_gpus && !gpus.kernels)
    all.push_back(
        {Severity::critical, "driver", "This program was built without kernels for GPUs.", gpus.found.gpus,
         "build it where nvcc is (launch/packages.txt, [gpu]), or by launch/container/Dockerfile.cuda"});
  const std::string versions = "library " + gpus.found.driver + ", kernel " + gpus.kernel_driver;
  if (!gpus.kernel_driver.empty() && !gpus.found.driver.empty() && gpus.kernel_driver != gpus.found.driver)
    all.push_back({Severity::critical, "driver",
                   "The driver's library and its part of the kernel are of two versions.", versions,
                   "load the new modules, most simply by a restart of the machine"});
  if (const int major = std::atoi(gpus.found.driver.c_str()); major > 0 && major < least_driver)
    all.push_back({plan.on_gpus ? Severity::critical : Severity::warning, "driver",
                   "The driver is older than the kernels' compiler.", versions + "; " + gpus.found.kernels,
                   "install driver " + std::to_string(least_driver) + " or later"});
  return all;
}

Findings of_nccl(const GpuReadings& gpus, const ServerPlan& plan) {
  Findings all;
  const bool ranks_exchange = plan.on_gpus && (plan.ranks_here > 1 || plan.several_hosts);
  if (!ranks_exchange) return all;
  if (gpus.nccl.empty())
    all.push_back({Severity::warning, "NCCL",
                   "Tensors between GPUs go by way of the host, and between hosts over TCP.",
                   "libnccl.so.2 is not there, or is older than what is used of it",
                   "install libnccl2; troupe selftest --collectives --device cuda shows what it carries",
                   "tcp-fallback"});
  if (!plan.several_hosts) return all;
  std::string ports;
  for (const transport::RdmaPort& each : gpus.rdma)
    ports += (ports.empty() ? "" : ", ") + each.name + (each.active ? " " + each.rate : " down");
  if (std::ranges::none_of(gpus.rdma, &transport::RdmaPort::active))
    all.push_back(
        {Severity::warning, "NCCL", "Tensors between hosts go over TCP.",
         "/sys/class/infiniband: " + (ports.empty() ? "no port" : ports),
         "see ibstat, and in containers --device /dev/infiniband --cap-add IPC_LOCK; --require-rdma refuses to "
         "start so",
         "tcp-fallback"});
  else if (!gpus.peer_memory_module)
    all.push_back(
        {Severity::note, "NCCL", "GPUDirect may be off, so that tensors between hosts go by way of the host.",
         "/proc/modules has no nvidia_peermem; " + ports,
         "modprobe nvidia_peermem, unless the driver's open modules are loaded; troupe selftest --collectives "
         "--device cuda tells",
         "tcp-fallback"});
  return all;
}

}  // namespace troupe::launch::doctor
