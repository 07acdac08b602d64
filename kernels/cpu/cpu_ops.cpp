#include "kernels/cpu/cpu_ops.hpp"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "kernels/cpu/targets.hpp"
// Highway after the choice of targets.
#include <hwy/targets.h>

namespace troupe::kernels {
namespace {

constexpr std::size_t alignment = 64;
constexpr std::size_t huge_page = std::size_t{2} << 20;

// threads, once this CPU is known to have the instructions.
int require_instructions(int threads) {
  const std::int64_t usable = hwy::SupportedTargets() & (HWY_TARGETS);
  if (usable == 0)
    throw Error("this CPU lacks AVX2 and FMA", "kernels",
                "run on an x86-64 CPU of 2013 (Intel) or 2015 (AMD) or later");
  hwy::GetChosenTarget().Update(usable);
  return threads;
}

}  // namespace

CpuOps::CpuOps(int threads) : pool_(require_instructions(threads)) {}

std::unique_ptr<Ops> make_cpu_ops(int threads) {
  return std::make_unique<CpuOps>(threads);
}

std::shared_ptr<void> CpuOps::allocate(std::size_t bytes) {
  const bool large = bytes >= huge_page;
  const std::size_t unit = large ? huge_page : alignment;
  const std::size_t rounded = (bytes + unit - 1) / unit * unit;
  void* const memory = rounded < bytes ? nullptr : std::aligned_alloc(unit, std::max(rounded, unit));
  if (memory == nullptr)
    throw Error("cannot allocate " + std::to_string(bytes) + " bytes", "memory",
                "lower the KV cache size or use a machine with more memory");
  std::shared_ptr<void> owned(memory, std::free);
  // Advice only: without huge pages it is slower, not wrong.
  if (large) madvise(memory, rounded, MADV_HUGEPAGE);
  std::memset(memory, 0, rounded);
  return owned;
}

}  // namespace troupe::kernels
