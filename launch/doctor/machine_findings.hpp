// From what a machine says of itself to what is wrong with it for a server. Pure functions, any thread.
#pragma once

#include "launch/doctor/finding.hpp"
#include "launch/doctor/machine.hpp"

namespace troupe::launch::doctor {

// What the server is, or would be, started with.
struct ServerPlan {
  bool on_gpus = false;              // --device
  int ranks_here = 1;                // on this machine
  bool several_hosts = false;        // --nodes, and no loopback between them
  std::optional<int> threads{};      // --threads, of each rank
  std::uint64_t connections = 1024;  // --max-connections
};

// Driver, and with it CUDA, that the kernels are made for: launch/packages.txt.
constexpr int least_driver = 580;
// Of memory, what should be left for the moments of a step and for the system.
constexpr double least_memory_left = 0.05;

Findings of_memory(const MemoryReadings& memory);
Findings of_huge_pages(const HugePageReadings& pages, const MemoryReadings& memory, const ServerPlan& plan);
Findings of_cpus(const CpuReadings& cpus, const ServerPlan& plan);
Findings of_numa(const NumaReadings& numa, const ServerPlan& plan);
Findings of_exchange(const transport::ExchangeLimits& limits,
                     const ServerPlan& plan);  // /dev/shm, memlock
Findings of_open_files(const std::optional<std::uint64_t>& most, const ServerPlan& plan);
Findings of_driver(const GpuReadings& gpus, const ServerPlan& plan);
Findings of_nccl(const GpuReadings& gpus, const ServerPlan& plan);  // and the network below it
Findings of_clock(const ClockReadings& clock);
Findings of_backlog(const PortReadings& ports, const ServerPlan& plan);
// port: where the server would listen. answers: whether a server of this program does.
Findings of_port(const PortReadings& ports, std::uint16_t port, bool answers);

// All but that of the port.
Findings of_machine(const Machine& machine, const ServerPlan& plan);

}  // namespace troupe::launch::doctor
