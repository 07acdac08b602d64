#include "transport/rdma.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "runtime/base/error.hpp"
#include "transport/nccl/nccl_calls.hpp"

namespace troupe::transport {
namespace {

std::string first_line(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::string line;
  std::getline(stream, line);
  return line;
}

}  // namespace

std::vector<RdmaPort> rdma_ports(const std::filesystem::path& folder) {
  std::vector<RdmaPort> ports;
  std::error_code absent;
  for (const auto& device : std::filesystem::directory_iterator(folder, absent))
    for (const auto& port : std::filesystem::directory_iterator(device.path() / "ports", absent))
      ports.push_back({device.path().filename().string() + "/" + port.path().filename().string(),
                       first_line(port.path() / "rate"),
                       first_line(port.path() / "state").find("ACTIVE") != std::string::npos});
  std::ranges::sort(ports, {}, &RdmaPort::name);
  return ports;
}

void require_rdma(const std::filesystem::path& folder) {
  if (installed_nccl_version().empty())
    throw Error("libnccl.so.2 is not there, and without NCCL tensors go over TCP", "--require-rdma",
                "install NCCL, or leave the flag out");
  if (std::ranges::none_of(rdma_ports(folder), &RdmaPort::active))
    throw Error("this host has no active InfiniBand or RoCE port", "--require-rdma",
                "see ibstat, or leave the flag out: tensors go over TCP then");
}

// "NCCL INFO Using network IB"; "Channel 00/0 : 0[0] -> 8[0] [send] via NET/IB/0/GDRDMA".
NcclNetwork read_nccl_log(const std::string& text) {
  NcclNetwork network;
  std::istringstream lines(text);
  const std::string chosen = "Using network ", via = " via NET/";
  for (std::string line; std::getline(lines, line);) {
    if (const auto at = line.find(chosen); at != std::string::npos)
      network.name = line.substr(at + chosen.size(), line.find(' ', at + chosen.size()) - at - chosen.size());
    if (line.find(via) == std::string::npos) continue;
    network.to_hosts = true;
    network.gpu_direct |= line.find("/GDRDMA") != std::string::npos;
  }
  return network;
}

}  // namespace troupe::transport
