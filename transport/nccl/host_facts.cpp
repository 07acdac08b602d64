#include "transport/nccl/host_facts.hpp"

#include <sys/resource.h>
#include <sys/statvfs.h>

#include "kernels/cuda/device_calls.hpp"
#include "transport/nccl/nccl_calls.hpp"

namespace troupe::transport {

std::map<std::string, std::string> gpu_facts() {
  const kernels::cuda::FoundDevices found = kernels::cuda::find_devices();
  return {{"gpu", found.gpus},
          {"driver", found.driver},
          {"cuda", found.cuda},
          {"nccl", installed_nccl_version()}};
}

ExchangeLimits exchange_limits() {
  ExchangeLimits limits;
  rlimit locked{};
  if (getrlimit(RLIMIT_MEMLOCK, &locked) == 0) limits.page_locked = locked.rlim_cur;
  struct statvfs shared {};
  if (statvfs("/dev/shm", &shared) == 0)
    limits.shared_memory = std::uint64_t(shared.f_bavail) * shared.f_frsize;
  return limits;
}

std::vector<std::string> warnings_of(const ExchangeLimits& limits) {
  std::vector<std::string> warnings;
  if (limits.page_locked < enough_for_exchange)
    warnings.push_back("only " + std::to_string(limits.page_locked >> 10) +
                       " KiB may be page-locked, which InfiniBand needs: raise ulimit -l to unlimited");
  if (limits.shared_memory < enough_for_exchange)
    warnings.push_back(
        "/dev/shm has less than 1 GiB free, by which ranks of a host meet: enlarge it (--shm-size)");
  return warnings;
}

}  // namespace troupe::transport
