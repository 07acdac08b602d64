// What a host has and says of itself where GPUs exchange tensors: for a self-test's report and for the log of a replica
// that starts. Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace troupe::transport {

// "gpu", "driver", "cuda" and "nccl", by name; empty where there is none. Ranks of a replica should have the same.
std::map<std::string, std::string> gpu_facts();

// Less is warned of: bytes, of each of the limits below.
constexpr std::uint64_t enough_for_exchange = 1 << 30;

// Bytes of what NCCL needs; what cannot be found out is as much as one could wish.
struct ExchangeLimits {
  std::uint64_t page_locked = ~std::uint64_t{0};    // that a process may lock
  std::uint64_t shared_memory = ~std::uint64_t{0};  // free in /dev/shm
};
ExchangeLimits exchange_limits();

// A sentence for each limit that is too small, and what to do.
std::vector<std::string> warnings_of(const ExchangeLimits& limits);

}  // namespace troupe::transport
