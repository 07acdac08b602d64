#include "kernels/cuda/near_cpus.hpp"

#include <sched.h>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace troupe::kernels::cuda {

std::vector<int> cpus_near(std::string bus_id, const std::filesystem::path& devices) {
  std::ranges::transform(bus_id, bus_id.begin(), [](unsigned char c) { return char(std::tolower(c)); });
  std::ifstream file(devices / bus_id / "local_cpulist");  // "0-15,64-79"
  std::vector<int> cpus;
  for (std::string range; std::getline(file, range, ',');) {
    std::istringstream text(range);
    int first = 0, last = 0;
    if (!(text >> first)) return {};
    if (text.peek() != '-')
      last = first;
    else if (text.ignore() && !(text >> last))
      return {};
    if (first < 0 || last < first || last >= CPU_SETSIZE) return {};
    for (int cpu = first; cpu <= last; ++cpu) cpus.push_back(cpu);
  }
  return cpus;
}

void stay_on(const std::vector<int>& cpus) {
  cpu_set_t permitted, wanted;
  CPU_ZERO(&wanted);
  if (sched_getaffinity(0, sizeof permitted, &permitted) != 0) return;
  for (const int cpu : cpus)
    if (CPU_ISSET(cpu, &permitted)) CPU_SET(cpu, &wanted);
  if (CPU_COUNT(&wanted) > 0) sched_setaffinity(0, sizeof wanted, &wanted);
}

}  // namespace troupe::kernels::cuda
