#include "kernels/cuda/gpu_monitor.hpp"

#include <gmock/gmock.h>

#include "tests/kernels/cuda/emulated/nvml.hpp"

namespace troupe::kernels::cuda {
namespace {

using emulated::Nvml;

std::vector<NvmlDeviceHandle> two_gpus() {
  return {{.uuid = "GPU-aa",
           .name = "first",
           .memory = {1000, 900, 100},
           .utilization = 50,
           .celsius = 40,
           .milliwatts = 350500,
           .corrected = 2,
           .uncorrected = 1},
          {.uuid = "GPU-bb", .name = "second", .memory = {2000, 500, 1400}, .has_ecc = false}};
}

TEST(GpuMonitor, ReadsTheGpuOfEachRank) {
  Nvml library(two_gpus());
  GpuMonitor monitor(Nvml::calls());
  EXPECT_TRUE(monitor.read().empty());
  monitor.watch(5, "GPU-bb");
  monitor.watch(4, "0");
  const std::vector<GpuReading> all = monitor.read();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].rank, 4);
  EXPECT_EQ(all[0].uuid, "GPU-aa");
  EXPECT_EQ(all[0].name, "first");
  EXPECT_TRUE(all[0].answers);
  EXPECT_EQ(all[0].memory_total, 1000u);
  EXPECT_EQ(all[0].memory_used, 100u);
  EXPECT_EQ(all[0].utilization, 0.5);
  EXPECT_EQ(all[0].celsius, 40);
  EXPECT_EQ(all[0].watts, 350.5);
  EXPECT_EQ(all[0].ecc_corrected, 2u);
  EXPECT_EQ(all[0].ecc_uncorrected, 1u);
  EXPECT_EQ(all[1].rank, 5);
  EXPECT_EQ(all[1].memory_used, 1500u) << "what the driver keeps for itself, too";
  EXPECT_EQ(all[1].watts, GpuReading::unknown) << "it has no sensor";
  EXPECT_EQ(all[1].ecc_uncorrected, 0u);
}

TEST(GpuMonitor, CountsXidsOfEachGpu) {
  Nvml library(two_gpus());
  GpuMonitor monitor(Nvml::calls());
  monitor.watch(0, "0");
  monitor.watch(1, "1");
  monitor.watch(1, "1");  // its worker begins another life
  EXPECT_EQ(library.registered.size(), 2u);
  for (const std::uint64_t number : {79, 31, 31}) library.xid(1, number);
  const std::map<std::uint64_t, std::uint64_t> seen{{79, 1}, {31, 2}};
  EXPECT_EQ(monitor.read()[1].xids, seen);
  EXPECT_TRUE(monitor.read()[0].xids.empty());
  EXPECT_EQ(monitor.read()[1].xids, seen);
}

TEST(GpuMonitor, ALostGpuDoesNotAnswer) {
  Nvml library(two_gpus());
  GpuMonitor monitor(Nvml::calls());
  monitor.watch(0, "1");
  library.gpus[1].lost = true;
  library.xid(1, 79);
  const GpuReading reading = monitor.read().at(0);
  EXPECT_FALSE(reading.answers);
  EXPECT_EQ(reading.memory_total, 0u);
  EXPECT_EQ(reading.xids.at(79), 1u);
}

TEST(GpuMonitor, PassesOverWhatDoesNotExist) {
  Nvml library(two_gpus());
  GpuMonitor monitor(Nvml::calls());
  for (const char* gpu : {"2", "-1", "", "one", "1x", "GPU-cc", "MIG-aa", "99999999999"})
    monitor.watch(0, gpu);
  EXPECT_TRUE(monitor.read().empty());
  monitor.watch(0, "1");
  EXPECT_EQ(monitor.read().size(), 1u);
  monitor.watch(0, "7");
  EXPECT_TRUE(monitor.read().empty());
}

TEST(GpuMonitor, GivesBackItsEvents) {
  Nvml library(two_gpus());
  { GpuMonitor monitor(Nvml::calls()); }
  EXPECT_EQ(library.event_sets, 0);
}

}  // namespace
}  // namespace troupe::kernels::cuda
