#include "kernels/cpu/pages.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "runtime/base/memory_file.hpp"
#include "runtime/base/out_of_memory.hpp"
#include "runtime/base/process_memory.hpp"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25  // Linux 6.1
#endif

namespace troupe::kernels {
namespace {

constexpr std::size_t piece = 8 * huge_page;  // a few milliseconds' worth of zeros
constexpr int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;

// work(first byte, bytes) for pieces of the pages.
template <class Work>
void each_piece(ThreadPool& pool, void* pages, std::size_t bytes, Work work) {
  pool.parallel_for(std::int64_t((bytes + piece - 1) / piece), 1, [&](std::int64_t i, std::int64_t) {
    const std::size_t begin = std::size_t(i) * piece;
    work(static_cast<std::byte*>(pages) + begin, std::min(piece, bytes - begin));
  });
}

// The system would grant more than it has, and kill somebody once it is used.
void require_free(std::size_t bytes) {
  if (bytes > memory_available()) refuse_memory(bytes);
}

// Addresses without memory, which begin at a huge page.
std::shared_ptr<void> reserve(std::size_t bytes) {
  const std::size_t all = bytes + huge_page;
  void* const begin = mmap(nullptr, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (begin == MAP_FAILED) refuse_memory(bytes);
  const auto address = (reinterpret_cast<std::uintptr_t>(begin) + huge_page - 1) / huge_page * huge_page;
  return {reinterpret_cast<void*>(address), [begin, all](void*) { munmap(begin, all); }};
}

// Takes the place of what is mapped there.
void map(void* at, std::size_t bytes, int protection, int flags, int file) {
  if (mmap(at, bytes, protection, flags | MAP_FIXED, file, 0) == MAP_FAILED) refuse_memory(bytes);
  // Advice only: without huge pages it is slower, not wrong.
  madvise(at, bytes, MADV_HUGEPAGE);
}

// Kernels before 5.14 do not know how: there they are taken when they are written to.
void populate(ThreadPool& pool, void* pages, std::size_t all, int how) {
  each_piece(pool, pages, all, [&](std::byte* begin, std::size_t bytes) {
    if (madvise(begin, bytes, how) != 0 && (errno == ENOMEM || errno == EFAULT)) refuse_memory(all);
  });
}

}  // namespace

void refuse_memory(std::size_t bytes) {
  throw OutOfMemory("cannot allocate " + std::to_string(bytes) +
                        " bytes: " + std::to_string(memory_available()) + " of " +
                        std::to_string(memory_limit()) + " are free",
                    "memory", "lower --gpu-memory-utilization, --max-model-len or --max-num-batched-tokens");
}

std::shared_ptr<void> take_pages(ThreadPool& pool, std::size_t bytes) {
  require_free(bytes);
  auto pages = reserve(bytes);
  map(pages.get(), bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  populate(pool, pages.get(), bytes, MADV_POPULATE_WRITE);
  return pages;
}

// Most systems give files in memory no huge pages by themselves, and a step that reads all weights is 10 % slower without
// them (bench/README.md); since Linux 6.1 they make them of small ones when they are told to.
LastingMemory take_lasting_pages(ThreadPool& pool, std::size_t bytes) {
  require_free(bytes);
  FileDescriptor file = lasting_memory_file("troupe-weights", bytes);
  auto pages = reserve(bytes);
  map(pages.get(), bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get());
  populate(pool, pages.get(), bytes, MADV_POPULATE_WRITE);
  each_piece(pool, pages.get(), bytes,
             [](std::byte* begin, std::size_t size) { madvise(begin, size, MADV_COLLAPSE); });
  return {std::move(pages), bytes, std::move(file)};
}

// A private mapping that is only read, in place of the one that was written through, which the file could not be sealed
// with. What wrote there nevertheless would change this process' own copy.
bool seal_pages(ThreadPool& pool, const LastingMemory& memory) {
  map(memory.memory.get(), memory.bytes, PROT_READ, MAP_PRIVATE, memory.file.get());
  const bool sealed = fcntl(memory.file.get(), F_ADD_SEALS, seals) == 0;
  populate(pool, memory.memory.get(), memory.bytes, MADV_POPULATE_READ);
  return sealed;
}

std::shared_ptr<void> adopt_pages(ThreadPool& pool, const FileDescriptor& file, std::size_t bytes) {
  struct stat status {};
  if (fstat(file.get(), &status) != 0 || std::size_t(status.st_size) < bytes)
    throw Error("is smaller than what it is to hold", "memory of an earlier life");
  if (fcntl(file.get(), F_GET_SEALS) != seals)
    throw Error("could still be written to", "memory of an earlier life");
  auto pages = reserve(bytes);
  map(pages.get(), bytes, PROT_READ, MAP_PRIVATE, file.get());
  populate(pool, pages.get(), bytes, MADV_POPULATE_READ);
  return pages;
}

}  // namespace troupe::kernels
