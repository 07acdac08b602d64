#include "launch/doctor/machine_findings.hpp"

#include <algorithm>

#include "launch/doctor/amount.hpp"

namespace troupe::launch::doctor {
namespace {

std::string memory_text(const MemoryReadings& memory) {
  return amount(memory.available) + " of " + amount(memory.limit) +
         " available (/proc/meminfo, control groups)";
}

}  // namespace

Findings of_memory(const MemoryReadings& memory) {
  Findings all;
  if (memory.oom_kills > 0)
    all.push_back({Severity::warning, "memory",
                   "The kernel has killed processes of this control group because their memory was used up.",
                   memory.oom_file + ": oom_kill " + std::to_string(memory.oom_kills),
                   "raise the group's limit, or lower --gpu-memory-utilization or --kv-cache-memory-bytes",
                   "out-of-memory"});
  if (memory.limit > 0 && double(memory.available) < least_memory_left * double(memory.limit))
    all.push_back({Severity::critical, "memory", "Hardly any memory is left.", memory_text(memory),
                   "lower --gpu-memory-utilization or --kv-cache-memory-bytes, or end what else runs here",
                   "out-of-memory"});
  if (memory.limit > 0 && memory.limit < memory.total)
    all.push_back({Severity::note, "memory",
                   "A control group lets this process have a part of the machine's memory.",
                   amount(memory.limit) + " of " + amount(memory.total),
                   "--gpu-memory-utilization is a part of that part: nothing, if it is meant so"});
  return all;
}

Findings of_huge_pages(const HugePageReadings& pages, const MemoryReadings& memory, const ServerPlan& plan) {
  Findings all;
  if (pages.transparent == "never" && !plan.on_gpus)
    all.push_back({Severity::warning, "huge pages",
                   "Weights lie in small pages, and decoding reads them more slowly.",
                   "/sys/kernel/mm/transparent_hugepage/enabled: never",
                   "echo madvise >/sys/kernel/mm/transparent_hugepage/enabled, then start the server again"});
  if (constexpr double much = 0.05; double(pages.reserved_free_bytes) > much * double(memory.total))
    all.push_back({Severity::warning, "huge pages",
                   "Memory is reserved for huge pages, which the server cannot use.",
                   amount(pages.reserved_free_bytes) + " (/proc/meminfo: HugePages_Free)",
                   "sysctl vm.nr_hugepages=0: transparent huge pages need no reserve"});
  return all;
}

Findings of_cpus(const CpuReadings& cpus, const ServerPlan& plan) {
  Findings all;
  if (!cpus.quota) return all;
  const int threads = plan.threads.value_or(cpus.usable) * (plan.on_gpus ? 1 : plan.ranks_here);
  const std::string quota = cpus.quota_file + ": the time of " + number(*cpus.quota) + " CPUs, of " +
                            std::to_string(cpus.usable) + " that may be used";
  if (!plan.on_gpus && double(threads) > *cpus.quota + 0.5)
    all.push_back({Severity::warning, "control group",
                   std::to_string(threads) +
                       " threads would compute, and are stopped in the middle of steps once the "
                       "group's time is used up.",
                   quota,
                   "--threads " + std::to_string(std::max(1, int(*cpus.quota) / plan.ranks_here)) +
                       ", or raise the limit",
                   "long-tail"});
  if (constexpr double often = 0.01;
      cpus.periods > 0 && double(cpus.throttled_periods) > often * double(cpus.periods))
    all.push_back({Severity::warning, "control group",
                   "The group has been stopped because its CPU time was used up.",
                   quota + "; nr_throttled " + std::to_string(cpus.throttled_periods) + " of nr_periods " +
                       std::to_string(cpus.periods),
                   "raise the limit, or lower --threads", "long-tail"});
  return all;
}

Findings of_numa(const NumaReadings& numa, const ServerPlan& plan) {
  Findings all;
  const auto with_cpus =
      std::ranges::count_if(numa.nodes, [](const NumaNode& node) { return !node.cpus.empty(); });
  if (with_cpus < 2 || plan.on_gpus) return all;
  std::string nodes;
  for (const NumaNode& each : numa.nodes)
    nodes += (nodes.empty() ? "" : "; ") + std::string("node ") + std::to_string(each.number) + ": CPUs " +
             each.cpus + ", " + amount(each.free) + " of " + amount(each.total) + " free";
  if (plan.ranks_here < with_cpus)
    all.push_back(
        {Severity::warning, "NUMA",
         "One rank reads weights from the memory of several nodes, over the link between them.", nodes,
         "-tp " + std::to_string(with_cpus) +
             ", a rank a node, or numactl --interleave=all troupe serve, which spreads the pages evenly"});
  if (!numa.allowed_memory.empty() && numa.allowed_memory.find_first_of(",-") == std::string::npos)
    all.push_back({Severity::warning, "NUMA", "This process may have memory of one node alone.",
                   "/proc/self/status: Mems_allowed_list " + numa.allowed_memory + "; " + nodes,
                   "widen cpuset.mems of its control group, unless a rank for each node is started so"});
  return all;
}

Findings of_exchange(const transport::ExchangeLimits& limits, const ServerPlan& plan) {
  Findings all;
  if (plan.on_gpus && plan.ranks_here > 1 && limits.shared_memory < transport::enough_for_exchange)
    all.push_back({Severity::warning, "/dev/shm",
                   "Ranks of a host meet in shared memory, of which there is little.",
                   "/dev/shm: " + amount(limits.shared_memory) + " free",
                   "--shm-size 16g of the container, or mount -o remount,size=16G /dev/shm"});
  if (plan.on_gpus && plan.several_hosts && limits.page_locked < transport::enough_for_exchange)
    all.push_back({Severity::warning, "memlock",
                   "InfiniBand needs page-locked memory, of which little is allowed.",
                   "ulimit -l: " + amount(limits.page_locked),
                   "ulimit -l unlimited; LimitMEMLOCK=infinity of a unit; --ulimit memlock=-1 of a container",
                   "tcp-fallback"});
  return all;
}

Findings of_open_files(const std::optional<std::uint64_t>& most, const ServerPlan& plan) {
  constexpr std::uint64_t others = 256;  // weights, sockets of ranks, logs
  if (!most || *most >= plan.connections + others) return {};
  return {{Severity::warning, "open files",
           "Connections will be refused before --max-connections is reached.",
           "ulimit -n: " + std::to_string(*most) + "; --max-connections " + std::to_string(plan.connections),
           "ulimit -n " + std::to_string(plan.connections + others) +
               " or more (LimitNOFILE of a unit), or a lower --max-connections",
           "overload-spike"}};
}

Findings of_clock(const ClockReadings& clock) {
  Findings all;
  for (const char* slow : {"hpet", "acpi_pm", "jiffies"})
    if (clock.source == slow)
      all.push_back(
          {Severity::warning, "clock", "Each look at the clock is slow, and a server looks often.",
           "current_clocksource: " + clock.source,
           "boot with a stable tsc (tsc=reliable, or another host); see dmesg for why it was given up"});
  if (clock.synchronized == false)
    all.push_back(
        {Severity::note, "clock", "The clock is not kept in step with the world's.",
         "adjtimex: unsynchronised",
         "run chrony or systemd-timesyncd: certificates, keys' expiries and logs of several hosts go by it"});
  return all;
}

Findings of_backlog(const PortReadings& ports, const ServerPlan& plan) {
  constexpr std::uint32_t enough = 1024;
  if (!ports.backlog || *ports.backlog >= std::min<std::uint64_t>(enough, plan.connections)) return {};
  return {{Severity::note, "ports", "Of connections that come all at once, few may wait to be accepted.",
           "net.core.somaxconn: " + std::to_string(*ports.backlog), "sysctl net.core.somaxconn=4096",
           "overload-spike"}};
}

Findings of_port(const PortReadings& ports, std::uint16_t port, bool answers) {
  if (answers || !std::ranges::binary_search(ports.listened_at, port)) return {};
  return {{Severity::critical, "ports", "Somebody else listens at the server's port.",
           "/proc/net/tcp: port " + std::to_string(port) +
               " is listened at, and what answers there is no server of this program",
           "--port, another one; ss -ltnp tells who it is"}};
}

Findings of_machine(const Machine& machine, const ServerPlan& plan) {
  Findings all = of_memory(machine.memory);
  append(all, of_huge_pages(machine.huge_pages, machine.memory, plan));
  append(all, of_cpus(machine.cpus, plan));
  append(all, of_numa(machine.numa, plan));
  append(all, of_exchange(machine.exchange, plan));
  append(all, of_open_files(machine.most_open_files, plan));
  append(all, of_driver(machine.gpus, plan));
  append(all, of_nccl(machine.gpus, plan));
  append(all, of_clock(machine.clock));
  append(all, of_backlog(machine.ports, plan));
  return all;
}

}  // namespace troupe::launch::doctor
