#include "actors/worker_environment.hpp"

#include <cstdlib>

namespace troupe::actors {

std::optional<std::string> variable_of_process(const std::string& name) {
  const char* const value = std::getenv(name.c_str());
  return value ? std::optional<std::string>(value) : std::nullopt;
}

std::string gpu_of_worker(int place, const GetVariable& of_node) {
  const auto visible = of_node("CUDA_VISIBLE_DEVICES");
  if (!visible) return std::to_string(place);
  std::size_t begin = 0;
  for (; place > 0; --place) {
    const std::size_t comma = visible->find(',', begin);
    if (comma == std::string::npos) return "";
    begin = comma + 1;
  }
  return visible->substr(begin, visible->find(',', begin) - begin);
}

runtime::Variables worker_environment(const std::string& gpu, const std::string& interface, bool require_rdma,
                                      const GetVariable& of_node) {
  runtime::Variables all{{"CUDA_VISIBLE_DEVICES", gpu}};
  if (!of_node("CUDA_DEVICE_ORDER")) all.emplace_back("CUDA_DEVICE_ORDER", "PCI_BUS_ID");
  if (!interface.empty() && !of_node("NCCL_SOCKET_IFNAME"))
    all.emplace_back("NCCL_SOCKET_IFNAME", "=" + interface);
  if (require_rdma && !of_node("NCCL_NET")) all.emplace_back("NCCL_NET", "IB");
  return all;
}

}  // namespace troupe::actors
