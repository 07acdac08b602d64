#include "bench/actors/edge/thread_time.hpp"

#include <ctime>
#include <filesystem>
#include <string>

namespace troupe::bench {
namespace {

// As clock_gettime(2) knows the CPU time of a thread of this process: its id, inverted, behind what kind of clock it is.
clockid_t clock_of(pid_t thread) {
  constexpr unsigned scheduled = 2, of_a_thread = 4;
  return clockid_t(~unsigned(thread) << 3 | of_a_thread | scheduled);
}

}  // namespace

Threads threads_now() {
  Threads found;
  for (const auto& each : std::filesystem::directory_iterator("/proc/self/task"))
    found.insert(pid_t(std::stoi(each.path().filename().string())));
  return found;
}

Threads without(const Threads& all, const Threads& others) {
  Threads left = all;
  for (const pid_t each : others) left.erase(each);
  return left;
}

double cpu_seconds(const Threads& threads) {
  double seconds = 0;
  for (const pid_t each : threads) {
    timespec time{};
    if (clock_gettime(clock_of(each), &time) == 0)
      seconds += double(time.tv_sec) + double(time.tv_nsec) / 1e9;
  }
  return seconds;
}

}  // namespace troupe::bench
