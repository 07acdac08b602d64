#include "actors/process_figures.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <thread>

#include "actors/metric_family.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/process_memory.hpp"

namespace troupe::actors {
namespace {

namespace fs = std::filesystem;
using prometheus::MetricFamily;
using prometheus::MetricType;

// Of /proc/self/stat, see proc(5).
struct Stat {
  double user_ticks = 0, system_ticks = 0, threads = 0, start_ticks = 0, virtual_bytes = 0,
         resident_pages = 0;
};

std::optional<Stat> read_stat(const fs::path& root) {
  std::ifstream in(root / "proc/self/stat");
  std::string line;
  std::getline(in, line);
  const auto name_end = line.rfind(')');  // the name before it may hold anything
  if (name_end == line.npos) return {};
  std::istringstream fields(line.substr(name_end + 1));
  const auto skip = [&](int count) {
    for (std::string word; count > 0; --count) fields >> word;
  };
  Stat stat;
  skip(11);
  fields >> stat.user_ticks >> stat.system_ticks;
  skip(4);
  fields >> stat.threads;
  skip(1);
  fields >> stat.start_ticks >> stat.virtual_bytes >> stat.resident_pages;
  return fields ? std::optional(stat) : std::nullopt;
}

// Unix seconds.
std::optional<double> boot_time(const fs::path& root) {
  std::ifstream in(root / "proc/stat");
  for (std::string word; in >> word;)
    if (double seconds = 0; word == "btime" && in >> seconds) return seconds;
  return {};
}

void add_process(const fs::path& root, std::vector<MetricFamily>& all) {
  const auto stat = read_stat(root);
  if (!stat) return;
  const double ticks = double(::sysconf(_SC_CLK_TCK)), page = double(::sysconf(_SC_PAGESIZE));
  all.push_back(metric_family("process_cpu_seconds_total", "User and system time of this process.",
                              MetricType::Counter, (stat->user_ticks + stat->system_ticks) / ticks));
  all.push_back(metric_family("process_resident_memory_bytes", "Resident memory of this process.",
                              MetricType::Gauge, stat->resident_pages * page));
  all.push_back(metric_family("process_virtual_memory_bytes", "Virtual memory of this process.",
                              MetricType::Gauge, stat->virtual_bytes));
  all.push_back(
      metric_family("process_threads", "Threads of this process.", MetricType::Gauge, stat->threads));
  if (const auto boot = boot_time(root))
    all.push_back(metric_family("process_start_time_seconds", "When this process began, in Unix seconds.",
                                MetricType::Gauge, *boot + stat->start_ticks / ticks));
}

void add_descriptors(const fs::path& root, std::vector<MetricFamily>& all) {
  std::error_code error;
  double open = 0;
  for (fs::directory_iterator each(root / "proc/self/fd", error), end; !error && each != end;
       each.increment(error))
    ++open;
  if (!error) all.push_back(metric_family("process_open_fds", "Open descriptors.", MetricType::Gauge, open));
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0)
    all.push_back(metric_family("process_max_fds", "Descriptors that may be open.", MetricType::Gauge,
                                double(limit.rlim_cur)));
}

void add_host(const fs::path& root, std::vector<MetricFamily>& all) {
  all.push_back(metric_family("troupe_host_cpus", "Processors that this process may run on.",
                              MetricType::Gauge, double(std::thread::hardware_concurrency())));
  if (double load = 0; std::ifstream(root / "proc/loadavg") >> load)
    all.push_back(
        metric_family("troupe_host_load_average", "Of the host, over a minute.", MetricType::Gauge, load));
  try {
    all.push_back(metric_family("troupe_host_memory_bytes", "Memory that this process may use.",
                                MetricType::Gauge, double(memory_limit(root))));
    all.push_back(metric_family("troupe_host_memory_available_bytes", "Of it, what it could take now.",
                                MetricType::Gauge, double(memory_available(root))));
  } catch (const Error&) {  // the machine does not tell
  }
}

}  // namespace

std::vector<MetricFamily> process_figures(const fs::path& root) {
  std::vector<MetricFamily> all;
  add_process(root, all);
  add_descriptors(root, all);
  add_host(root, all);
  return all;
}

}  // namespace troupe::actors
