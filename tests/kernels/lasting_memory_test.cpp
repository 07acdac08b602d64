// Memory of the host that a process leaves to the next one.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mman.h>

#include <algorithm>
#include <csignal>
#include <cstring>

#include "kernels/cpu/cpu_ops.hpp"
#include "runtime/base/memory_file.hpp"
#include "runtime/base/process_memory.hpp"
#include "tests/error_of.hpp"

namespace troupe::kernels {
namespace {

using testing::HasSubstr;

FileDescriptor another(const FileDescriptor& file) {
  return FileDescriptor(dup(file.get()));
}

LastingMemory filled(Ops& ops, std::size_t bytes, int with) {
  LastingMemory memory = ops.allocate_lasting(bytes);
  std::memset(memory.memory.get(), with, bytes);
  EXPECT_TRUE(ops.seal(memory));
  return memory;
}

bool all(const void* memory, std::size_t bytes, char wanted) {
  const auto* const begin = static_cast<const char*>(memory);
  return std::all_of(begin, begin + bytes, [&](char byte) { return byte == wanted; });
}

TEST(LastingMemory, IsZeroedAndAligned) {
  CpuOps ops(2);
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{5'000'000}}) {
    const LastingMemory memory = ops.allocate_lasting(bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory.memory.get()) % 64, 0u);
    EXPECT_TRUE(all(memory.memory.get(), bytes, 0));
    EXPECT_GE(memory.bytes, bytes);
    EXPECT_TRUE(memory.file);
  }
}

TEST(LastingMemory, HasItsBytesWhereItIsAdopted) {
  CpuOps ops(2);
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{100}, std::size_t{40'000'000}}) {
    LastingMemory memory = filled(ops, bytes, 7);
    EXPECT_TRUE(all(memory.memory.get(), bytes, 7)) << "it stays in its place when it is sealed";
    memory.memory.reset();
    CpuOps next(1);
    EXPECT_TRUE(all(next.adopt(another(memory.file), bytes).get(), bytes, 7));
  }
}

TEST(LastingMemory, IsWrittenByNobodyOnceItIsSealed) {
  CpuOps ops(1);
  const LastingMemory memory = filled(ops, 5000, 7);
  EXPECT_EQ(mmap(nullptr, 5000, PROT_READ | PROT_WRITE, MAP_SHARED, memory.file.get(), 0), MAP_FAILED);
  EXPECT_LT(pwrite(memory.file.get(), "x", 1, 0), 0);
  EXPECT_LT(ftruncate(memory.file.get(), 0), 0);
  const auto adopted = ops.adopt(another(memory.file), 5000);
  for (void* const at : {memory.memory.get(), adopted.get()})
    EXPECT_DEATH(*static_cast<volatile char*>(at) = 1, "");
}

TEST(LastingMemory, WhatCannotBeTrustedIsNotAdopted) {
  CpuOps ops(1);
  const LastingMemory unsealed = ops.allocate_lasting(5000), sealed = filled(ops, 5000, 7);
  EXPECT_THAT(error_of([&] { ops.adopt(another(unsealed.file), 5000); }),
              HasSubstr("could still be written to"));
  EXPECT_THAT(error_of([&] { ops.adopt(another(sealed.file), 5001); }), HasSubstr("is smaller"));
  EXPECT_THAT(error_of([&] { ops.adopt(FileDescriptor(), 1); }), HasSubstr("is smaller"));
  EXPECT_THAT(error_of([&] { ops.adopt(FileDescriptor(::open("/dev/zero", O_RDWR)), 0); }),
              HasSubstr("is smaller"));
}

// What a rank's share of the host is compared with.
TEST(LastingMemory, CountsAsThisProcesssOnce) {
  constexpr std::size_t bytes = std::size_t{64} << 20, slack = std::size_t{8} << 20;
  CpuOps ops(1);
  const std::size_t before = memory_resident();
  LastingMemory memory = filled(ops, bytes, 7);
  const auto taken = [&] { return memory_resident() - before; };
  EXPECT_GT(taken(), bytes - slack);
  EXPECT_LT(taken(), bytes + slack);
  memory.memory.reset();
  EXPECT_LT(memory_resident(), before + slack);
  const auto adopted = ops.adopt(another(memory.file), bytes);
  EXPECT_GT(taken(), bytes - slack);
  EXPECT_LT(taken(), bytes + slack);
}

TEST(LastingMemory, TooMuchIsRefusedWithWhatIsFree) {
  CpuOps ops(1);
  const std::size_t too_much = 2 * memory_limit();
  for (const auto& ask :
       {std::function<void()>([&] { ops.allocate_lasting(too_much); }), {[&] { ops.allocate(too_much); }}}) {
    const std::string error = error_of(ask);
    EXPECT_THAT(error, HasSubstr("cannot allocate " + std::to_string(too_much) + " bytes: "));
    EXPECT_THAT(error, HasSubstr(" of " + std::to_string(memory_limit()) + " are free"));
    for (const char* flag : {"--gpu-memory-utilization", "--max-model-len", "--max-num-batched-tokens"})
      EXPECT_THAT(error, HasSubstr(flag));
  }
}

}  // namespace
}  // namespace troupe::kernels
