#include "launch/sizing/gpus.hpp"

#include <algorithm>

#include "runtime/base/error.hpp"

namespace troupe::launch::sizing {
namespace {

constexpr std::size_t mebibyte = std::size_t(1) << 20;

// What nvidia-smi calls memory.total, which is more than the round GB of datasheets. SXM modules:
// https://thundergolfer.com/blog/nvidia-gpu-memory-capacity, and of a B200 https://github.com/NVIDIA/TensorRT-LLM/issues/10278.
constexpr Gpu known[] = {{"a100", "A100", 81920 * mebibyte},
                         {"h100", "H100", 81559 * mebibyte},
                         {"h200", "H200", 143771 * mebibyte},
                         {"b200", "B200", 183359 * mebibyte}};

}  // namespace

std::span<const Gpu> known_gpus() {
  return known;
}

std::vector<std::string> gpu_names() {
  std::vector<std::string> names;
  for (const Gpu& gpu : known) names.emplace_back(gpu.name);
  return names;
}

const Gpu& gpu_named(std::string_view name) {
  const auto* const found = std::ranges::find(known, name, &Gpu::name);
  CHECK(found != std::end(known), name);
  return *found;
}

}  // namespace troupe::launch::sizing
