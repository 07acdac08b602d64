// The GPUs that a replica is sized for. Plain values; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::launch::sizing {

struct Gpu {
  std::string_view name;   // "h100", on command lines
  std::string_view title;  // "H100", for people
  std::size_t memory = 0;  // bytes, as its driver tells
};

constexpr std::int32_t gpus_of_host = 8;
constexpr std::int32_t most_hosts = 16;  // that are tried; a power of two

std::span<const Gpu> known_gpus();
std::vector<std::string> gpu_names();
// One of those.
const Gpu& gpu_named(std::string_view name);

// Hosts of so many GPUs, of which a host has up to gpus_of_host.
constexpr std::int32_t hosts_of(std::int32_t gpus) {
  return (gpus + gpus_of_host - 1) / gpus_of_host;
}

}  // namespace troupe::launch::sizing
