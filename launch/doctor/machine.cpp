#include "launch/doctor/machine.hpp"

#include <sys/timex.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <set>
#include <sstream>

#include "kernels/cuda/images.hpp"
#include "kernels/cuda/nvml_calls.hpp"
#include "runtime/base/control_groups.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/process_memory.hpp"
#include "runtime/base/thread_pool.hpp"
#include "transport/nccl/nccl_calls.hpp"

namespace troupe::launch::doctor {
namespace {

namespace fs = std::filesystem;

std::string first_line(const fs::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

// The number behind a name, in files of lines "name number", "name: number" or "Node 0 name: number kB"; kB count as such.
std::optional<std::uint64_t> number_at(const fs::path& file, std::string_view name) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    for (std::string word; words >> word;) {
      if (word != name && word != std::string(name) + ":") continue;
      std::uint64_t value = 0;
      std::string unit;
      if (!(words >> value)) break;
      return words >> unit && unit == "kB" ? value << 10 : value;
    }
  }
  return std::nullopt;
}

// "0-1,4" -> {0, 1, 4}; what is no list is empty.
std::vector<int> numbers_of(const std::string& list) {
  std::vector<int> all;
  std::istringstream parts(list);
  for (std::string part; std::getline(parts, part, ',');) {
    int first = 0, last = 0;
    std::istringstream range(part);
    if (!(range >> first) || first < 0) continue;
    last = range.get() == '-' && range >> last ? last : first;
    for (int each = first; each <= last && all.size() < 1024; ++each) all.push_back(each);
  }
  return all;
}

// The text behind a name in /proc/self/status.
std::string status_field(const fs::path& root, const std::string& name) {
  std::ifstream in(root / "proc/self/status");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(name + ":")) {
      std::istringstream words(line.substr(name.size() + 1));
      std::string text;
      words >> text;
      return text;
    }
  return {};
}

struct Quota {
  double cpus;
  fs::path file;
};

// cpu.max: "200000 100000" or "max 100000"; cpu.cfs_quota_us: -1 for none.
std::optional<Quota> quota_of(const ControlGroup& group) {
  double quota = 0, period = 0;
  fs::path file = group.folder / "cpu.max";
  if (group.version == 2) {
    std::ifstream(file) >> quota >> period;
  } else {
    file = group.folder / "cpu.cfs_quota_us";
    std::ifstream(file) >> quota;
    std::ifstream(group.folder / "cpu.cfs_period_us") >> period;
  }
  if (quota <= 0 || period <= 0) return std::nullopt;
  return Quota{quota / period, file};
}

std::vector<std::string> nvidia_on_bus(const fs::path& root) {
  std::vector<std::string> all;
  std::error_code absent;
  for (const auto& device : fs::directory_iterator(root / "sys/bus/pci/devices", absent)) {
    const std::string kind = first_line(device.path() / "class");
    const bool displays = kind.starts_with("0x0300") || kind.starts_with("0x0302");  // VGA or 3D controller
    if (displays && first_line(device.path() / "vendor") == "0x10de")
      all.push_back(device.path().filename().string());
  }
  std::ranges::sort(all);
  return all;
}

// "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun Jul ..."; the open modules' line has other words.
std::string kernel_driver_version(const fs::path& root) {
  std::istringstream words(first_line(root / "proc/driver/nvidia/version"));
  for (std::string word; words >> word;)
    if (word.find('.') != word.npos && word.find_first_not_of("0123456789.") == word.npos) return word;
  return {};
}

bool has_module(const fs::path& root, const std::string& name) {
  std::ifstream modules(root / "proc/modules");
  for (std::string line; std::getline(modules, line);)
    if (line.starts_with(name + " ")) return true;
  return false;
}

std::vector<GpuMemory> gpu_memory() {
  std::vector<GpuMemory> all;
  const auto* const nvml = kernels::cuda::nvml_calls();
  if (!nvml) return all;
  kernels::cuda::NvmlDevice device = nullptr;
  for (unsigned i = 0; nvml->device_by_index(i, &device) == kernels::cuda::nvml_success; ++i) {
    char name[96] = {};  // NVML_DEVICE_NAME_V2_BUFFER_SIZE
    kernels::cuda::NvmlMemory memory{};
    if (nvml->name(device, name, sizeof name) != kernels::cuda::nvml_success) name[0] = '\0';
    if (nvml->memory(device, &memory) != kernels::cuda::nvml_success) continue;
    all.push_back({name, memory.total, memory.free});
  }
  return all;
}

// Lines "  0: 0100007F:1F40 00000000:0000 0A ...": local address, remote address, state; 0A listens.
void read_listeners(const fs::path& file, std::set<std::uint16_t>& ports) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);  // of titles
  while (std::getline(in, line)) {
    std::istringstream words(line);
    std::string number, local, remote, state;
    words >> number >> local >> remote >> state;
    const auto colon = local.rfind(':');
    if (state != "0A" || colon == local.npos) continue;
    unsigned port = 0;
    if (std::istringstream(local.substr(colon + 1)) >> std::hex >> port && port <= 65535)
      ports.insert(std::uint16_t(port));
  }
}

}  // namespace

MemoryReadings read_memory(const fs::path& root) {
  MemoryReadings memory;
  try {
    memory.total = number_at(root / "proc/meminfo", "MemTotal").value_or(0);
    memory.limit = memory_limit(root);
    memory.available = memory_available(root);
  } catch (const Error&) {  // the machine does not tell
  }
  for (const ControlGroup& each : control_groups("memory", root)) {
    const fs::path file = each.folder / (each.version == 2 ? "memory.events" : "memory.oom_control");
    const std::uint64_t kills = number_at(file, "oom_kill").value_or(0);
    if (kills > memory.oom_kills) memory.oom_kills = kills, memory.oom_file = file.string();
  }
  return memory;
}

HugePageReadings read_huge_pages(const fs::path& root) {
  HugePageReadings pages;
  const std::string choices =
      first_line(root / "sys/kernel/mm/transparent_hugepage/enabled");  // "always [madvise] never"
  const auto open = choices.find('['), close = choices.find(']');
  if (open < close && close != choices.npos) pages.transparent = choices.substr(open + 1, close - open - 1);
  const fs::path meminfo = root / "proc/meminfo";
  pages.reserved_free_bytes =
      number_at(meminfo, "HugePages_Free").value_or(0) * number_at(meminfo, "Hugepagesize").value_or(0);
  return pages;
}

CpuReadings read_cpus(const fs::path& root) {
  CpuReadings cpus{.usable = usable_cpus()};
  if (const auto listed = numbers_of(status_field(root, "Cpus_allowed_list")); !listed.empty())
    cpus.usable = int(listed.size());
  for (const ControlGroup& each : control_groups("cpu", root)) {
    const auto quota = quota_of(each);
    if (!quota || (cpus.quota && *cpus.quota <= quota->cpus)) continue;
    cpus.quota = quota->cpus;
    cpus.quota_file = quota->file.string();
    cpus.periods = number_at(each.folder / "cpu.stat", "nr_periods").value_or(0);
    cpus.throttled_periods = number_at(each.folder / "cpu.stat", "nr_throttled").value_or(0);
  }
  return cpus;
}

NumaReadings read_numa(const fs::path& root) {
  NumaReadings numa{.nodes = {}, .allowed_memory = status_field(root, "Mems_allowed_list")};
  const fs::path folder = root / "sys/devices/system/node";
  for (const int number : numbers_of(first_line(folder / "online"))) {
    const fs::path node = folder / ("node" + std::to_string(number));
    numa.nodes.push_back({number, first_line(node / "cpulist"),
                          number_at(node / "meminfo", "MemTotal").value_or(0),
                          number_at(node / "meminfo", "MemFree").value_or(0)});
  }
  return numa;
}

std::optional<std::uint64_t> read_most_open_files(const fs::path& root) {
  std::ifstream in(root / "proc/self/limits");  // "Max open files            1024                 4096 ..."
  constexpr std::string_view name = "Max open files";
  for (std::string line; std::getline(in, line);)
    if (std::uint64_t soft = 0;
        line.starts_with(name) && std::istringstream(line.substr(name.size())) >> soft)
      return soft;
  return std::nullopt;
}

GpuReadings read_gpus(const fs::path& root) {
  std::error_code ignored;
  return {.on_bus = nvidia_on_bus(root),
          .kernel_driver = kernel_driver_version(root),
          .device_files = fs::exists(root / "dev/nvidiactl", ignored),
          .peer_memory_module = has_module(root, "nvidia_peermem"),
          .kernels = !kernels::cuda::kernel_images().empty(),
          .found = kernels::cuda::find_devices(),
          .memory = gpu_memory(),
          .nccl = transport::installed_nccl_version(),
          .rdma = transport::rdma_ports(root / "sys/class/infiniband")};
}

ClockReadings read_clock(const fs::path& root) {
  ClockReadings clock{
      .source = first_line(root / "sys/devices/system/clocksource/clocksource0/current_clocksource")};
  timex state{};  // modes 0: nothing is set
  if (const int answer = adjtimex(&state); answer != -1)
    clock.synchronized = answer != TIME_ERROR && (state.status & STA_UNSYNC) == 0;
  return clock;
}

PortReadings read_ports(const fs::path& root) {
  std::set<std::uint16_t> listened_at;
  for (const char* table : {"tcp", "tcp6"}) read_listeners(root / "proc/net" / table, listened_at);
  PortReadings ports{.listened_at = {listened_at.begin(), listened_at.end()}};
  if (std::uint32_t backlog = 0; std::ifstream(root / "proc/sys/net/core/somaxconn") >> backlog)
    ports.backlog = backlog;
  return ports;
}

Machine read_machine(const fs::path& root) {
  return {.memory = read_memory(root),
          .huge_pages = read_huge_pages(root),
          .cpus = read_cpus(root),
          .numa = read_numa(root),
          .exchange = transport::exchange_limits(),
          .most_open_files = read_most_open_files(root),
          .gpus = read_gpus(root),
          .clock = read_clock(root),
          .ports = read_ports(root)};
}

}  // namespace troupe::launch::doctor
