#include "runtime/base/memory_file.hpp"

#include <fcntl.h>

#include <atomic>
#include <cerrno>
#include <filesystem>

#include "tests/error_of.hpp"

namespace troupe {
namespace {

using testing::HasSubstr;

bool open_file(int fd) {
  return fcntl(fd, F_GETFD) >= 0;
}

TEST(MemoryFile, GivesEveryByteOnceAndIsClosedThen) {
  for (const std::size_t size : {0, 1, 4095, 4096, 4097, 100'000}) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) text[i] = char(i * 7);
    const int fd = memory_file("test", text).release();
    EXPECT_EQ(take_memory_file(fd), text);
    EXPECT_FALSE(open_file(fd));
  }
}

TEST(MemoryFile, EveryHolderReadsItFromTheBeginning) {
  const FileDescriptor file = memory_file("test", "a key");
  EXPECT_EQ(take_memory_file(dup(file.get())), "a key");
  EXPECT_EQ(take_memory_file(dup(file.get())), "a key");
}

TEST(MemoryFile, CannotBeChanged) {
  const FileDescriptor file = memory_file("test", "a key");
  EXPECT_LT(pwrite(file.get(), "b", 1, 0), 0);
  EXPECT_EQ(errno, EPERM);
  EXPECT_LT(ftruncate(file.get(), 0), 0);
  EXPECT_LT(ftruncate(file.get(), 99), 0);
  EXPECT_LT(fcntl(file.get(), F_ADD_SEALS, F_SEAL_WRITE), 0);
  EXPECT_EQ(take_memory_file(dup(file.get())), "a key");
}

TEST(MemoryFile, IsForThisProcessUnlessItIsHandedOn) {
  for (const FileDescriptor& file : {memory_file("test-name", ""), shared_memory_file("test-name", 8)}) {
    EXPECT_EQ(fcntl(file.get(), F_GETFD), FD_CLOEXEC);
    EXPECT_THAT(std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(file.get())).string(),
                HasSubstr("test-name"));
  }
}

TEST(MemoryFile, SaysWhatIsNoFile) {
  EXPECT_THAT(error_of([] { take_memory_file(-1); }), HasSubstr("inherited file -1"));
  EXPECT_THAT(error_of([] { memory_file(std::string(300, 'x'), ""); }), HasSubstr("memory file xxx"));
}

struct Pair {
  std::atomic<int> first, second;
};

TEST(SharedMemory, IsOneForAllWhoMapIt) {
  const FileDescriptor file = shared_memory_file("test", sizeof(Pair));
  const Shared<Pair> here(file);
  EXPECT_EQ(here->first, 0);
  {
    const Shared<Pair> there(file);
    there->second = 5;
    (*there).first = 4;
  }
  EXPECT_EQ(here->first, 4);
  EXPECT_EQ(here->second, 5);
}

TEST(SharedMemory, KeepsItsSize) {
  const FileDescriptor file = shared_memory_file("test", sizeof(int));
  EXPECT_LT(ftruncate(file.get(), 0), 0);  // or a reader would be killed by SIGBUS
  EXPECT_LT(ftruncate(file.get(), 4096), 0);
  EXPECT_THAT(error_of([&] { Shared<Pair>{file}; }), HasSubstr("smaller than what it is to hold"));
}

}  // namespace
}  // namespace troupe
