#include "transport/rdma.hpp"

#include <gmock/gmock.h>

#include "tests/error_of.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::transport {
namespace {

using testing::HasSubstr;

TEST(Rdma, FindsPortsAndWhetherTheyAreActive) {
  const TemporaryFolder folder;
  EXPECT_TRUE(rdma_ports(folder.path() / "nothing").empty());
  std::filesystem::create_directories(folder.path() / "mlx5_1/ports/1");
  std::filesystem::create_directories(folder.path() / "mlx5_0/ports/1");
  folder.write("mlx5_0/ports/1/state", "4: ACTIVE\n");
  folder.write("mlx5_0/ports/1/rate", "400 Gb/sec (4X NDR)\n");
  folder.write("mlx5_1/ports/1/state", "1: DOWN\n");
  const auto ports = rdma_ports(folder.path());
  ASSERT_EQ(ports.size(), 2u);
  EXPECT_EQ(ports[0].name, "mlx5_0/1");
  EXPECT_EQ(ports[0].rate, "400 Gb/sec (4X NDR)");
  EXPECT_TRUE(ports[0].active);
  EXPECT_FALSE(ports[1].active);
}

TEST(Rdma, IsRefusedWhereThereIsNone) {
  EXPECT_THAT(error_of([] { require_rdma("/no/such/folder"); }), HasSubstr("--require-rdma"));
}

TEST(Rdma, WhatNcclTookIsInItsLog) {
  const auto socket = read_nccl_log(
      "a:1:2 [0] NCCL INFO NET/IB : No device found.\n"
      "a:1:2 [0] NCCL INFO Using network Socket\n"
      "a:1:2 [0] NCCL INFO Channel 00/0 : 0[0] -> 1[0] [send] via NET/Socket/0\n");
  EXPECT_EQ(socket.name, "Socket");
  EXPECT_TRUE(socket.to_hosts);
  EXPECT_FALSE(socket.gpu_direct);
  const auto direct = read_nccl_log(
      "a:1:2 [0] NCCL INFO Using network IB\n"
      "a:1:2 [0] NCCL INFO Channel 00/0 : 0[0] -> 1[1] via P2P/CUMEM/read\n"
      "a:1:2 [0] NCCL INFO Channel 00/0 : 7[7] -> 8[0] [send] via NET/IB/7/GDRDMA\n");
  EXPECT_EQ(direct.name, "IB");
  EXPECT_TRUE(direct.to_hosts);
  EXPECT_TRUE(direct.gpu_direct);
  EXPECT_FALSE(read_nccl_log("NCCL INFO Channel 00/0 : 0[0] -> 1[1] via P2P/CUMEM\n").to_hosts);
  EXPECT_EQ(read_nccl_log("").name, "");
}

}  // namespace
}  // namespace troupe::transport
