// What this host has for tensors to reach GPUs of other hosts without a detour. Any thread.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace troupe::transport {

struct RdmaPort {
  std::string name;  // "mlx5_0/1", as in NCCL_IB_HCA
  std::string rate;  // "400 Gb/sec (4X NDR)"
  bool active = false;
};
// folder: the kernel's, of InfiniBand and RoCE devices.
std::vector<RdmaPort> rdma_ports(const std::filesystem::path& folder = "/sys/class/infiniband");

// Throws Error where NCCL is not there, or no port is active.
void require_rdma(const std::filesystem::path& folder = "/sys/class/infiniband");

// What NCCL says of itself at NCCL_DEBUG=INFO.
struct NcclNetwork {
  std::string name;         // "IB", "Socket", or a plugin's; empty: it said nothing
  bool gpu_direct = false;  // some connection between hosts goes from GPU to network adapter
  bool to_hosts = false;    // there are connections to other hosts
};
NcclNetwork read_nccl_log(const std::string& text);

}  // namespace troupe::transport
