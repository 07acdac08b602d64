// Files of a virtual machine with two CPUs and control groups of the first version, copied; and of other machines, in the
// form that proc(5) and the kernel's Documentation/admin-guide have.
#include "launch/doctor/machine.hpp"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "tests/temporary_folder.hpp"

namespace troupe::launch::doctor {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::EndsWith;
using testing::IsEmpty;
using testing::Optional;

const fs::path small_vm = TEST_DATA "/machines/small-vm";

class DoctorsMachine : public testing::Test {
 protected:
  void write(const fs::path& file, std::string_view text) const {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }
  const TemporaryFolder folder_;
  const fs::path& root_ = folder_.path();
};

TEST_F(DoctorsMachine, ASmallOneIsReadAsItIs) {
  const MemoryReadings memory = read_memory(small_vm);
  EXPECT_EQ(memory.total, 24684092ull << 10);
  EXPECT_EQ(memory.limit, memory.total) << "its group has none";
  EXPECT_EQ(memory.available, 21935960ull << 10);
  EXPECT_EQ(memory.oom_kills, 0u);
  EXPECT_EQ(read_huge_pages(small_vm).transparent, "madvise");
  EXPECT_EQ(read_huge_pages(small_vm).reserved_free_bytes, 0u);
  EXPECT_EQ(read_cpus(small_vm).usable, 2);
  EXPECT_EQ(read_cpus(small_vm).quota, std::nullopt);
  const NumaReadings numa = read_numa(small_vm);
  ASSERT_EQ(numa.nodes.size(), 1u);
  EXPECT_EQ(numa.nodes[0].cpus, "0-1");
  EXPECT_GT(numa.nodes[0].total, numa.nodes[0].free);
  EXPECT_EQ(numa.allowed_memory, "0");
  EXPECT_THAT(read_most_open_files(small_vm), Optional(20000u));
  EXPECT_EQ(read_clock(small_vm).source, "tsc");
  EXPECT_THAT(read_ports(small_vm).listened_at, ElementsAre(2024));
  EXPECT_THAT(read_ports(small_vm).backlog, Optional(4096u));
  const GpuReadings gpus = read_gpus(small_vm);
  EXPECT_THAT(gpus.on_bus, IsEmpty());
  EXPECT_EQ(gpus.kernel_driver, "");
  EXPECT_FALSE(gpus.device_files || gpus.peer_memory_module);
}

TEST_F(DoctorsMachine, AGroupsLimitsAreFoundInBothVersions) {
  write("proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 900 kB\n");
  write("proc/self/status", "Cpus_allowed_list:\t0-3,8\n");
  write("proc/self/cgroup", "4:memory:/a\n2:cpu,cpuacct:/a\n0::/pod\n");
  write("sys/fs/cgroup/pod/memory.max", "512000\n");
  write("sys/fs/cgroup/pod/memory.events", "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n");
  write("sys/fs/cgroup/pod/cpu.max", "250000 100000\n");
  write("sys/fs/cgroup/pod/cpu.stat", "usage_usec 9\nnr_periods 100\nnr_throttled 7\nthrottled_usec 5\n");
  write("sys/fs/cgroup/memory/a/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n");
  write("sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "400000\n");
  write("sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
  const MemoryReadings memory = read_memory(root_);
  EXPECT_EQ(memory.limit, 512000u);
  EXPECT_EQ(memory.oom_kills, 2u);
  EXPECT_THAT(memory.oom_file, EndsWith("pod/memory.events"));
  CpuReadings cpus = read_cpus(root_);
  EXPECT_EQ(cpus.usable, 5);
  EXPECT_THAT(cpus.quota, Optional(2.5));
  EXPECT_THAT(cpus.quota_file, EndsWith("pod/cpu.max"));
  EXPECT_EQ(cpus.periods, 100u);
  EXPECT_EQ(cpus.throttled_periods, 7u);
  write("sys/fs/cgroup/pod/cpu.max", "max 100000\n");
  cpus = read_cpus(root_);
  EXPECT_THAT(cpus.quota, Optional(4.0));
  EXPECT_THAT(cpus.quota_file, EndsWith("cpu/a/cpu.cfs_quota_us"));
}

TEST_F(DoctorsMachine, SocketsAndTheirMemoryAreNodes) {
  write("sys/devices/system/node/online", "0-1,3\n");
  write("sys/devices/system/node/node0/cpulist", "0-15\n");
  write("sys/devices/system/node/node1/cpulist", "16-31\n");
  write("sys/devices/system/node/node1/meminfo", "Node 1 MemTotal:  2048 kB\nNode 1 MemFree:  1024 kB\n");
  write("sys/devices/system/node/node3/cpulist", "\n");
  const NumaReadings numa = read_numa(root_);
  ASSERT_EQ(numa.nodes.size(), 3u);
  EXPECT_EQ(numa.nodes[1].cpus, "16-31");
  EXPECT_EQ(numa.nodes[1].total, 2048u << 10);
  EXPECT_EQ(numa.nodes[1].free, 1024u << 10);
  EXPECT_EQ(numa.nodes[2].number, 3);
  EXPECT_EQ(numa.nodes[2].cpus, "");
}

TEST_F(DoctorsMachine, GpusAreFoundOnTheBusWithoutADriver) {
  const auto device = [&](const std::string& address, const std::string& vendor, const std::string& kind) {
    write("sys/bus/pci/devices/" + address + "/vendor", vendor + "\n");
    write("sys/bus/pci/devices/" + address + "/class", kind + "\n");
  };
  device("0000:19:00.0", "0x10de", "0x030200");
  device("0000:18:00.0", "0x10de", "0x030200");
  device("0000:07:00.0", "0x10de", "0x068000");  // a switch of NVLink
  device("0000:00:02.0", "0x8086", "0x030000");
  write("proc/driver/nvidia/version",
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (dvs-builder)\n");
  write("proc/modules", "nvidia_peermem 16384 0 - Live 0x0\nnvidia 14381056 2 - Live 0x0\n");
  write("dev/nvidiactl", "");
  write("sys/class/infiniband/mlx5_0/ports/1/state", "4: ACTIVE\n");
  const GpuReadings gpus = read_gpus(root_);
  EXPECT_THAT(gpus.on_bus, ElementsAre("0000:18:00.0", "0000:19:00.0"));
  EXPECT_EQ(gpus.kernel_driver, "580.65.06");
  EXPECT_TRUE(gpus.device_files);
  EXPECT_TRUE(gpus.peer_memory_module);
  ASSERT_EQ(gpus.rdma.size(), 1u);
  EXPECT_TRUE(gpus.rdma[0].active);
}

TEST_F(DoctorsMachine, HugePagesThatAreReservedAreCounted) {
  write("proc/meminfo", "MemTotal: 99 kB\nHugePages_Total: 10\nHugePages_Free: 4\nHugepagesize: 2048 kB\n");
  write("sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n");
  EXPECT_EQ(read_huge_pages(root_).transparent, "never");
  EXPECT_EQ(read_huge_pages(root_).reserved_free_bytes, 4u * (2048 << 10));
}

TEST_F(DoctorsMachine, PortsAreThoseThatAreListenedAt) {
  const std::string title = "  sl  local_address rem_address   st\n";
  write("proc/net/tcp",
        title + "   0: 0100007F:1F40 00000000:0000 0A 0\n   1: 0100007F:A001 0100007F:1F40 01 0\n");
  write("proc/net/tcp6",
        title + "   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0\n");
  EXPECT_THAT(read_ports(root_).listened_at, ElementsAre(80, 8000));
}

// Files that are not there, or hold anything: nothing is known, and nothing breaks.
TEST_F(DoctorsMachine, WhatSaysNothingIsNotKnown) {
  for (const char* text : {"", "nonsense", "-1 -1\n[]\n", "99999999999999999999999999\n0-999999999,x-y\n"}) {
    for (const char* file :
         {"proc/meminfo", "proc/self/cgroup", "proc/self/status", "proc/self/limits", "proc/net/tcp",
          "proc/driver/nvidia/version", "sys/kernel/mm/transparent_hugepage/enabled",
          "sys/devices/system/node/online", "proc/sys/net/core/somaxconn"})
      write(file, text);
    const Machine machine = read_machine(root_);
    EXPECT_EQ(machine.memory.limit, 0u);
    EXPECT_EQ(machine.cpus.quota, std::nullopt);
    EXPECT_EQ(machine.most_open_files, std::nullopt);
    EXPECT_EQ(machine.gpus.kernel_driver, "");
    EXPECT_THAT(machine.ports.listened_at, IsEmpty());
  }
}

TEST(ThisMachine, TellsTheDoctor) {
  const Machine machine = read_machine();
  EXPECT_GT(machine.memory.available, 0u);
  EXPECT_GE(machine.cpus.usable, 1);
  EXPECT_FALSE(machine.gpus.found.kernels.empty());
}

}  // namespace
}  // namespace troupe::launch::doctor
