// Which CPUs of a host with several sockets reach a GPU without a detour.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace troupe::kernels::cuda {

// Of the GPU with this address on the PCI bus ("0000:65:00.0"), ascending; empty where nobody knows. devices: the kernel's
// folder of them. Any thread.
std::vector<int> cpus_near(std::string bus_id, const std::filesystem::path& devices = "/sys/bus/pci/devices");

// The calling thread, and those that it begins from now on, run on these CPUs, as far as it may use them; where it may use
// none of them, everything stays as it was.
void stay_on(const std::vector<int>& cpus);

}  // namespace troupe::kernels::cuda
