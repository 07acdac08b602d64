#include "launch/doctor/machine_findings.hpp"

#include <gmock/gmock.h>

namespace troupe::launch::doctor {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint64_t gibibyte = 1 << 30;

auto is(Severity severity, const std::string& evidence, const std::string& remedy) {
  return AllOf(Field(&Finding::severity, severity), Field(&Finding::evidence, HasSubstr(evidence)),
               Field(&Finding::remedy, HasSubstr(remedy)));
}

const ServerPlan on_cpu{}, on_gpus{.on_gpus = true, .ranks_here = 8};
const ServerPlan on_hosts{.on_gpus = true, .ranks_here = 8, .several_hosts = true};

GpuReadings healthy_gpus() {
  return {.on_bus = {"0000:18:00.0"},
          .kernel_driver = "580.65.06",
          .device_files = true,
          .peer_memory_module = true,
          .found = {.driver = "580.65.06",
                    .cuda = "13.0",
                    .gpus = "8 x NVIDIA H200 (sm_90)",
                    .kernels = "kernels",
                    .missing = ""},
          .memory = {},
          .nccl = "2.28.9",
          .rdma = {{"mlx5_0/1", "400 Gb/sec (4X NDR)", true}}};
}

TEST(MachineFindings, AHealthyOneHasNone) {
  Machine machine;
  machine.memory = {.total = 100 * gibibyte, .limit = 100 * gibibyte, .available = 50 * gibibyte};
  machine.huge_pages.transparent = "madvise";
  machine.cpus = {.usable = 16};
  machine.numa.nodes = {{.number = 0, .cpus = "0-15"}};
  machine.most_open_files = 20'000;
  machine.gpus = healthy_gpus();
  machine.clock = {"tsc", true};
  machine.ports.backlog = 4096;
  for (const ServerPlan& each : {on_cpu, on_gpus, on_hosts})
    EXPECT_THAT(of_machine(machine, each), IsEmpty());
}

TEST(MachineFindings, Memory) {
  EXPECT_THAT(
      of_memory({.total = 8, .limit = 8, .available = 8, .oom_kills = 2, .oom_file = "/g/memory.events"}),
      ElementsAre(is(Severity::warning, "/g/memory.events: oom_kill 2", "--gpu-memory-utilization")));
  EXPECT_THAT(of_memory({.total = 100 * gibibyte, .limit = 100 * gibibyte, .available = 4 * gibibyte}),
              ElementsAre(is(Severity::critical, "4 GiB of 100 GiB", "--kv-cache-memory-bytes")));
  EXPECT_THAT(of_memory({.total = 100 * gibibyte, .limit = 10 * gibibyte, .available = gibibyte}),
              ElementsAre(is(Severity::note, "10 GiB of 100 GiB", "--gpu-memory-utilization")));
  EXPECT_THAT(of_memory({}), IsEmpty()) << "not known";
}

TEST(MachineFindings, HugePages) {
  const MemoryReadings memory{.total = 100 * gibibyte};
  EXPECT_THAT(of_huge_pages({.transparent = "never"}, memory, on_cpu),
              ElementsAre(is(Severity::warning, "never", "madvise")));
  EXPECT_THAT(of_huge_pages({.transparent = "never"}, memory, on_gpus), IsEmpty());
  EXPECT_THAT(of_huge_pages({.transparent = "always", .reserved_free_bytes = 50 * gibibyte}, memory, on_cpu),
              ElementsAre(is(Severity::warning, "50 GiB", "vm.nr_hugepages=0")));
}

TEST(MachineFindings, CpuTimeOfControlGroups) {
  const CpuReadings cpus{.usable = 64, .quota = 4, .quota_file = "/g/cpu.max"};
  EXPECT_THAT(of_cpus(cpus, on_cpu),
              ElementsAre(is(Severity::warning, "/g/cpu.max: the time of 4 CPUs, of 64", "--threads 4")));
  EXPECT_THAT(of_cpus(cpus, {.ranks_here = 2, .threads = 2}), IsEmpty());
  EXPECT_THAT(of_cpus(cpus, {.ranks_here = 4, .threads = 2}),
              ElementsAre(is(Severity::warning, "", "--threads 1")));
  EXPECT_THAT(of_cpus({.usable = 64}, on_cpu), IsEmpty());
  EXPECT_THAT(
      of_cpus({.usable = 4, .quota = 4, .quota_file = "f", .periods = 100, .throttled_periods = 9}, on_cpu),
      ElementsAre(is(Severity::warning, "nr_throttled 9 of nr_periods 100", "raise the limit")));
}

TEST(MachineFindings, Numa) {
  const NumaReadings two{
      .nodes = {{.number = 0, .cpus = "0-15"}, {.number = 1, .cpus = "16-31"}, {.number = 2}},
      .allowed_memory = "0-2"};
  EXPECT_THAT(of_numa(two, on_cpu), ElementsAre(is(Severity::warning, "node 1: CPUs 16-31", "-tp 2")));
  EXPECT_THAT(of_numa(two, {.ranks_here = 2}), IsEmpty());
  EXPECT_THAT(of_numa(two, on_gpus), IsEmpty());
  NumaReadings bound = two;
  bound.allowed_memory = "1";
  EXPECT_THAT(of_numa(bound, {.ranks_here = 2}),
              ElementsAre(is(Severity::warning, "Mems_allowed_list 1", "cpuset.mems")));
}

TEST(MachineFindings, WhatRanksExchangeThrough) {
  const transport::ExchangeLimits little{.page_locked = 64 << 10, .shared_memory = 64 << 20};
  EXPECT_THAT(of_exchange(little, on_cpu), IsEmpty()) << "ranks on CPUs meet in memory of their own";
  EXPECT_THAT(of_exchange(little, on_gpus), ElementsAre(is(Severity::warning, "64 MiB free", "--shm-size")));
  EXPECT_THAT(of_exchange(little, on_hosts),
              ElementsAre(is(Severity::warning, "64 MiB free", "--shm-size"),
                          is(Severity::warning, "ulimit -l: 64 KiB", "LimitMEMLOCK")));
  EXPECT_THAT(of_exchange({}, on_hosts), IsEmpty());
}

TEST(MachineFindings, OpenFiles) {
  EXPECT_THAT(of_open_files(1024, on_cpu),
              ElementsAre(is(Severity::warning, "ulimit -n: 1024; --max-connections 1024", "1280")));
  EXPECT_THAT(of_open_files(1280, on_cpu), IsEmpty());
  EXPECT_THAT(of_open_files(std::nullopt, on_cpu), IsEmpty());
}

TEST(MachineFindings, ADriverThatCannotBeUsed) {
  GpuReadings gpus;
  gpus.found.missing = "libcuda.so.1 is not there";
  EXPECT_THAT(of_driver(gpus, on_cpu), IsEmpty()) << "no GPU, and none is asked for";
  EXPECT_THAT(of_driver(gpus, on_gpus), ElementsAre(is(Severity::critical, "libcuda.so.1", "--device cpu")));
  gpus.on_bus = {"0000:18:00.0"};
  EXPECT_THAT(of_driver(gpus, on_gpus), ElementsAre(is(Severity::critical, "0000:18:00.0", "580 or later")));
  EXPECT_THAT(of_driver(gpus, on_cpu), ElementsAre(is(Severity::warning, "0000:18:00.0", "580 or later")));
  gpus.kernel_driver = "580.65.06";
  EXPECT_THAT(of_driver(gpus, on_gpus),
              ElementsAre(is(Severity::critical, "/dev/nvidiactl is not there", "--gpus all")));
}

TEST(MachineFindings, DriversOfOtherVersions) {
  GpuReadings gpus = healthy_gpus();
  gpus.kernel_driver = "570.1";
  EXPECT_THAT(of_driver(gpus, on_gpus),
              ElementsAre(is(Severity::critical, "library 580.65.06, kernel 570.1", "restart")));
  gpus.found.driver = "570.1";
  EXPECT_THAT(of_driver(gpus, on_gpus), ElementsAre(is(Severity::critical, "570.1", "580 or later")));
}

TEST(MachineFindings, AProgramWithoutKernels) {
  GpuReadings gpus = healthy_gpus();
  gpus.kernels = false;
  EXPECT_THAT(of_driver(gpus, on_gpus), ElementsAre(is(Severity::critical, "8 x NVIDIA H200", "nvcc")));
  EXPECT_THAT(of_driver(gpus, on_cpu), IsEmpty());
}

TEST(MachineFindings, NcclAndTheNetworkBelowIt) {
  GpuReadings gpus = healthy_gpus();
  gpus.nccl = "";
  EXPECT_THAT(of_nccl(gpus, on_cpu), IsEmpty());
  EXPECT_THAT(of_nccl(gpus, {.on_gpus = true}), IsEmpty()) << "a rank alone exchanges nothing";
  EXPECT_THAT(of_nccl(gpus, on_gpus),
              ElementsAre(is(Severity::warning, "libnccl.so.2", "selftest --collectives")));
  gpus = healthy_gpus();
  gpus.rdma[0].active = false;
  EXPECT_THAT(of_nccl(gpus, on_hosts), ElementsAre(is(Severity::warning, "mlx5_0/1 down", "--require-rdma")));
  gpus.rdma.clear();
  EXPECT_THAT(of_nccl(gpus, on_hosts), ElementsAre(is(Severity::warning, "no port", "--require-rdma")));
  EXPECT_THAT(of_nccl(gpus, on_gpus), IsEmpty());
  gpus = healthy_gpus();
  gpus.peer_memory_module = false;
  EXPECT_THAT(of_nccl(gpus, on_hosts), ElementsAre(is(Severity::note, "no nvidia_peermem", "modprobe")));
}

TEST(MachineFindings, Clock) {
  EXPECT_THAT(of_clock({"hpet", true}), ElementsAre(is(Severity::warning, "hpet", "tsc")));
  EXPECT_THAT(of_clock({"kvm-clock", false}), ElementsAre(is(Severity::note, "unsynchronised", "chrony")));
  EXPECT_THAT(of_clock({}), IsEmpty());
}

TEST(MachineFindings, Ports) {
  const PortReadings ports{.listened_at = {80, 8000}, .backlog = 128};
  EXPECT_THAT(of_port(ports, 8000, false), ElementsAre(is(Severity::critical, "port 8000", "--port")));
  EXPECT_THAT(of_port(ports, 8000, true), IsEmpty());
  EXPECT_THAT(of_port(ports, 8001, false), IsEmpty());
  EXPECT_THAT(of_backlog(ports, on_cpu), ElementsAre(is(Severity::note, "somaxconn: 128", "4096")));
  EXPECT_THAT(of_backlog(ports, {.connections = 100}), IsEmpty());
}

}  // namespace
}  // namespace troupe::launch::doctor
