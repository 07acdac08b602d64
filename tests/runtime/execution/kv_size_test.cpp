#include "runtime/execution/kv_size.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "runtime/base/error.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::runtime {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t mebibyte = std::size_t(1) << 20;

TEST(KvSize, DividesBytesIntoBlocks) {
  const KvSize size = kv_size({100000, 0.9}, {100, 16, 100}, 0, 0);
  EXPECT_EQ(size.blocks, 62);
  EXPECT_EQ(size.bytes, 62u * 1600u);
  EXPECT_EQ(size.full_length_sequences, 8);  // seven blocks each
}

TEST(KvSize, TakesItsShareOfMemoryLessWhatIsUsed) {
  const KvSize size = kv_size({std::nullopt, 0.5}, {1024, 16, 1024}, 100 * mebibyte, 10 * mebibyte);
  EXPECT_EQ(size.bytes, 40 * mebibyte);
  EXPECT_EQ(size.full_length_sequences, 40);
}

TEST(KvSize, CountsNoMoreBlocksThanTheirIdsCanName) {
  EXPECT_EQ(kv_size({std::size_t(1) << 60, 0.9}, {1, 1, 16}, 0, 0).blocks, 2147483647);
}

TEST(KvSize, RefusesToHoldNotEvenOneSequence) {
  const KvShape shape{1024, 16, 1024};
  EXPECT_EQ(kv_size({mebibyte, 0.9}, shape, 0, 0).full_length_sequences, 1);
  try {
    kv_size({mebibyte - 1, 0.9}, shape, 0, 0);
    FAIL() << "too small a cache was accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("1024 tokens takes 1048576 bytes, and 1048575 are left"));
    EXPECT_THAT(error.what(), ::testing::HasSubstr("--max-model-len"));
  }
  EXPECT_THROW(kv_size({std::nullopt, 0.5}, shape, 100 * mebibyte, 60 * mebibyte), Error);
}

// A machine made of files.
class Machine : public ::testing::Test {
 protected:
  void write(const fs::path& file, std::string_view text) {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }
  const TemporaryFolder folder_;
  const fs::path& root_ = folder_.path();
};

TEST_F(Machine, WithoutControlGroupsHasAllItsMemory) {
  write("proc/meminfo", "MemTotal:       1000 kB\nMemFree:  10 kB\n");
  EXPECT_EQ(memory_limit(root_), 1024000u);
}

TEST_F(Machine, ObeysTheSmallestLimitOnTheWayToItsGroup) {
  write("proc/meminfo", "MemTotal:       1000 kB\n");
  write("proc/self/cgroup", "0::/slice/job\n");
  write("sys/fs/cgroup/slice/memory.max", "5000\n");
  write("sys/fs/cgroup/slice/job/memory.max", "max\n");
  EXPECT_EQ(memory_limit(root_), 5000u);
  write("sys/fs/cgroup/slice/job/memory.max", "4000\n");
  EXPECT_EQ(memory_limit(root_), 4000u);
}

TEST_F(Machine, ObeysAContainersOwnGroupAtTheRoot) {
  write("proc/meminfo", "MemTotal:       1000 kB\n");
  write("proc/self/cgroup", "0::/not/seen/from/inside\n");
  write("sys/fs/cgroup/memory.max", "3000\n");
  EXPECT_EQ(memory_limit(root_), 3000u);
}

TEST_F(Machine, ObeysTheFirstVersionOfControlGroups) {
  write("proc/meminfo", "MemTotal:       1000 kB\n");
  write("proc/self/cgroup", "7:cpu,cpuacct:/a\n4:memory:/a\n");
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  write("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "2000\n");
  EXPECT_EQ(memory_limit(root_), 2000u);
}

TEST(KvSize, IsCutToWhatSoManySequencesTake) {
  const KvShape shape{.bytes_per_token = 100, .block_size = 16, .max_model_len = 40};
  const KvSize size = kv_size({.bytes = 480'000}, shape, 0, 0);
  EXPECT_EQ(size.full_length_sequences, 100);
  EXPECT_EQ(at_most(size, shape, 200).blocks, size.blocks);
  EXPECT_EQ(at_most(size, shape, 7).blocks, 21);
  EXPECT_EQ(at_most(size, shape, 7).bytes, 21u * 1600);
  EXPECT_EQ(at_most(size, shape, 7).full_length_sequences, 7);
}

TEST_F(Machine, ThatDoesNotTellIsAnError) {
  EXPECT_THROW(memory_limit(root_), Error);
  EXPECT_THROW(memory_resident(root_), Error);
}

TEST(ThisMachine, TellsItsMemory) {
  EXPECT_GT(memory_limit(), memory_resident());
  EXPECT_GT(memory_resident(), mebibyte);
}

}  // namespace
}  // namespace troupe::runtime
