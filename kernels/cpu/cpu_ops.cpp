#include "kernels/cpu/cpu_ops.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "kernels/cpu/pages.hpp"
#include "kernels/cpu/targets.hpp"
#include "runtime/base/process_memory.hpp"
// Highway after the choice of targets.
#include <hwy/targets.h>

namespace troupe::kernels {
namespace {

constexpr std::size_t alignment = 64;

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

CpuOps::CpuOps(int threads, TickBoard* ticks) : pool_(require_instructions(threads), ticks) {}

std::unique_ptr<Ops> make_cpu_ops(int threads, TickBoard* ticks) {
  return std::make_unique<CpuOps>(threads, ticks);
}

DeviceMemory CpuOps::memory() const {
  return {.limit = memory_limit(), .used = memory_resident(), .of_host = true};
}

std::shared_ptr<void> CpuOps::allocate(std::size_t bytes) {
  if (bytes >= huge_page) return take_pages(pool_, bytes);
  const std::size_t rounded = std::max(alignment, (bytes + alignment - 1) / alignment * alignment);
  void* const memory = std::aligned_alloc(alignment, rounded);
  if (memory == nullptr) refuse_memory(bytes);
  std::shared_ptr<void> owned(memory, std::free);
  std::memset(memory, 0, rounded);
  return owned;
}

LastingMemory CpuOps::allocate_lasting(std::size_t bytes) {
  return take_lasting_pages(pool_, std::max<std::size_t>(bytes, 1));
}

bool CpuOps::seal(const LastingMemory& memory) {
  return seal_pages(pool_, memory);
}

std::shared_ptr<void> CpuOps::adopt(FileDescriptor file, std::size_t bytes) {
  return adopt_pages(pool_, file, std::max<std::size_t>(bytes, 1));
}

void CpuOps::upload(void* to, std::span<const std::byte> from) {
  if (!from.empty()) std::memcpy(to, from.data(), from.size());
}

void CpuOps::read(Queue&, const Tensor& x, std::span<std::byte> to) {
  CHECK(to.size() == x.bytes(), "shapes of read");
  if (!to.empty()) std::memcpy(to.data(), x.raw(), to.size());
}

void CpuOps::fill(Queue&, Tensor x, float value) {
  each_row(x.elements(), 1, [&](std::int64_t begin, std::int64_t end) {
    std::fill(x.as<float>() + begin, x.as<float>() + end, value);
  });
}

}  // namespace troupe::kernels
