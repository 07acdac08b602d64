#include "kernels/cpu/cpu_ops.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
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
constexpr std::size_t piece = 8 * huge_page;  // a few milliseconds' worth of zeros

// threads, once this CPU is known to have the instructions.
int require_instructions(int threads) {
  const std::int64_t usable = hwy::SupportedTargets() & (HWY_TARGETS);
  if (usable == 0)
    throw Error("this CPU lacks AVX2 and FMA", "kernels",
                "run on an x86-64 CPU of 2013 (Intel) or 2015 (AMD) or later");
  hwy::GetChosenTarget().Update(usable);
  return threads;
}

[[noreturn]] void refuse_memory(std::size_t bytes) {
  throw Error("cannot allocate " + std::to_string(bytes) + " bytes", "memory",
              "lower the KV cache size or use a machine with more memory");
}

std::shared_ptr<void> map_pages(ThreadPool& pool, std::size_t bytes) {
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) refuse_memory(bytes);
  std::shared_ptr<void> owned(memory, [bytes](void* pages) { munmap(pages, bytes); });
  // Advice only: without huge pages it is slower, not wrong.
  madvise(memory, bytes, MADV_HUGEPAGE);
  // Takes the pages now, so that a lack of them is an error here and no death later; piece by piece, since
  // the kernel zeroes them. Kernels before 5.14 do not know how.
  pool.parallel_for(std::int64_t((bytes + piece - 1) / piece), 1, [&](std::int64_t i, std::int64_t) {
    const std::size_t begin = std::size_t(i) * piece, size = std::min(piece, bytes - begin);
    if (madvise(static_cast<std::byte*>(memory) + begin, size, MADV_POPULATE_WRITE) != 0 && errno == ENOMEM)
      refuse_memory(bytes);
  });
  return owned;
}

}  // namespace

CpuOps::CpuOps(int threads, TickBoard* ticks) : pool_(require_instructions(threads), ticks) {}

std::unique_ptr<Ops> make_cpu_ops(int threads, TickBoard* ticks) {
  return std::make_unique<CpuOps>(threads, ticks);
}

std::shared_ptr<void> CpuOps::allocate(std::size_t bytes) {
  if (bytes >= huge_page) return map_pages(pool_, bytes);
  const std::size_t rounded = std::max(alignment, (bytes + alignment - 1) / alignment * alignment);
  void* const memory = std::aligned_alloc(alignment, rounded);
  if (memory == nullptr) refuse_memory(bytes);
  std::shared_ptr<void> owned(memory, std::free);
  std::memset(memory, 0, rounded);
  return owned;
}

}  // namespace troupe::kernels
