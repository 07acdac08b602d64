// What a machine says of itself, as far as a server depends on it. What cannot be read is as much as one could wish, or not
// known. Plain values; reading takes a moment and needs no rights. Any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "kernels/cuda/device_calls.hpp"
#include "transport/nccl/host_facts.hpp"
#include "transport/rdma.hpp"

namespace troupe::launch::doctor {

struct MemoryReadings {
  std::uint64_t total = 0, limit = 0, available = 0;  // bytes; limit: with control groups. 0: not known
  std::uint64_t oom_kills = 0;                        // of this process' control groups, since they are there
  std::string oom_file{};                             // which tells so
};
// root: where proc/, sys/ and dev/ stand; so everywhere below.
MemoryReadings read_memory(const std::filesystem::path& root = "/");

struct HugePageReadings {
  std::string transparent{};              // "always", "madvise" or "never"; empty: not known
  std::uint64_t reserved_free_bytes = 0;  // of hugetlbfs, which a server does not use and nobody else can
};
HugePageReadings read_huge_pages(const std::filesystem::path& root = "/");

struct CpuReadings {
  int usable = 1;                 // that this process may run on
  std::optional<double> quota{};  // CPUs' worth of time that its control groups let it have
  std::string quota_file{};       // which tells so
  std::uint64_t periods = 0, throttled_periods = 0;  // of that group
};
CpuReadings read_cpus(const std::filesystem::path& root = "/");

struct NumaNode {
  int number = 0;
  std::string cpus{};                 // "0-15,32-47"; empty: it has memory alone
  std::uint64_t total = 0, free = 0;  // bytes
};
struct NumaReadings {
  std::vector<NumaNode> nodes{};
  std::string allowed_memory{};  // nodes of whose memory this process may have, "0-1"; empty: not known
};
NumaReadings read_numa(const std::filesystem::path& root = "/");

// Files that this process may have open; nothing: as many as it likes, or not known.
std::optional<std::uint64_t> read_most_open_files(const std::filesystem::path& root = "/");

struct GpuMemory {
  std::string name{};
  std::uint64_t total = 0, free = 0;  // bytes
};
struct GpuReadings {
  std::vector<std::string> on_bus{};  // PCI addresses of NVIDIA's, driver or not
  std::string kernel_driver{};        // version of the kernel's part; empty: it is not loaded
  bool device_files = false;          // /dev/nvidiactl is there
  bool peer_memory_module = false;    // nvidia_peermem is loaded
  bool kernels = true;                // the program was built with some
  kernels::cuda::FoundDevices found{};
  std::vector<GpuMemory> memory{};  // by number; empty where NVML does not tell
  std::string nccl{};               // its version; empty: there is none that serves
  std::vector<transport::RdmaPort> rdma{};
};
// Of root are the files alone; the driver's and NCCL's libraries are this process'.
GpuReadings read_gpus(const std::filesystem::path& root = "/");

struct ClockReadings {
  std::string source{};                // "tsc"; empty: not known
  std::optional<bool> synchronized{};  // with the world's
};
ClockReadings read_clock(const std::filesystem::path& root = "/");

struct PortReadings {
  std::vector<std::uint16_t> listened_at{};  // TCP, ascending
  std::optional<std::uint32_t> backlog{};    // connections that may wait to be accepted
};
PortReadings read_ports(const std::filesystem::path& root = "/");

struct Machine {
  MemoryReadings memory{};
  HugePageReadings huge_pages{};
  CpuReadings cpus{};
  NumaReadings numa{};
  transport::ExchangeLimits exchange{};  // /dev/shm and what may be page-locked
  std::optional<std::uint64_t> most_open_files{};
  GpuReadings gpus{};
  ClockReadings clock{};
  PortReadings ports{};
};
Machine read_machine(const std::filesystem::path& root = "/");

}  // namespace troupe::launch::doctor
