#include "actors/worker_environment.hpp"

#include <gmock/gmock.h>

#include <map>

namespace troupe::actors {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Pair;

GetVariable node_with(std::map<std::string, std::string> variables) {
  return [variables = std::move(variables)](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  };
}

TEST(WorkerEnvironment, EachWorkerHasAGpuOfItsOwn) {
  EXPECT_EQ(gpu_of_worker(0, node_with({})), "0");
  EXPECT_EQ(gpu_of_worker(7, node_with({})), "7");
  const auto some = node_with({{"CUDA_VISIBLE_DEVICES", "6,GPU-aa,2"}});
  EXPECT_EQ(gpu_of_worker(0, some), "6");
  EXPECT_EQ(gpu_of_worker(1, some), "GPU-aa");
  EXPECT_EQ(gpu_of_worker(2, some), "2");
  EXPECT_EQ(gpu_of_worker(3, some), "") << "it says that it sees none, instead of taking another's";
  EXPECT_EQ(gpu_of_worker(1, node_with({{"CUDA_VISIBLE_DEVICES", "0,0"}})), "0")
      << "two may share one if told to";
  EXPECT_EQ(gpu_of_worker(0, node_with({{"CUDA_VISIBLE_DEVICES", ""}})), "");
}

TEST(WorkerEnvironment, NcclMeetsOverTheNetworkOfTensors) {
  EXPECT_THAT(worker_environment("3", "eth1", false, node_with({})),
              ElementsAre(Pair("CUDA_VISIBLE_DEVICES", "3"), Pair("CUDA_DEVICE_ORDER", "PCI_BUS_ID"),
                          Pair("NCCL_SOCKET_IFNAME", "=eth1")));
  EXPECT_THAT(worker_environment("3", "", false, node_with({})),
              ElementsAre(Pair("CUDA_VISIBLE_DEVICES", "3"), Pair("CUDA_DEVICE_ORDER", "PCI_BUS_ID")));
}

TEST(WorkerEnvironment, NcclFallsBackToNoOtherNetworkWhereThatIsNotWanted) {
  EXPECT_THAT(worker_environment("3", "", true, node_with({})), Contains(Pair("NCCL_NET", "IB")));
}

TEST(WorkerEnvironment, WhatAnOperatorSetStays) {
  EXPECT_THAT(worker_environment("3", "eth1", true,
                                 node_with({{"NCCL_SOCKET_IFNAME", "ib0"},
                                            {"NCCL_NET", "AWS"},
                                            {"CUDA_DEVICE_ORDER", "FASTEST_FIRST"}})),
              ElementsAre(Pair("CUDA_VISIBLE_DEVICES", "3")));
}

}  // namespace
}  // namespace troupe::actors
