#include "runtime/base/process_memory.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "runtime/base/error.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe {
namespace {

namespace fs = std::filesystem;

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

TEST_F(Machine, HasLeftWhatItAndEachOfItsGroupsHaveLeft) {
  write("proc/meminfo", "MemTotal:       1000 kB\nMemAvailable:  600 kB\n");
  write("proc/self/cgroup", "4:memory:/a\n0::/slice/job\n");
  EXPECT_EQ(memory_available(root_), 600u * 1024) << "no group says anything";
  write("sys/fs/cgroup/slice/memory.max", "9000\n");
  write("sys/fs/cgroup/slice/memory.current", "5000\n");
  EXPECT_EQ(memory_available(root_), 4000u);
  write("sys/fs/cgroup/slice/memory.stat", "anon 1\ninactive_file 300\nactive_file 20\nfile 7\n");
  EXPECT_EQ(memory_available(root_), 4320u) << "pages of files";
  write("sys/fs/cgroup/slice/job/memory.max", "max\n");
  write("sys/fs/cgroup/slice/job/memory.current", "5000\n");
  EXPECT_EQ(memory_available(root_), 4320u) << "a group without a limit";
  write("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "700\n");
  write("sys/fs/cgroup/memory/a/memory.usage_in_bytes", "690\n");
  write("sys/fs/cgroup/memory/a/memory.stat", "active_file 900\ntotal_active_file 5\n");
  EXPECT_EQ(memory_available(root_), 15u);
  write("sys/fs/cgroup/memory/a/memory.usage_in_bytes", "800\n");
  EXPECT_EQ(memory_available(root_), 0u) << "over its limit";
}

TEST_F(Machine, CountsWhatTheSystemCannotTakeBack) {
  write("proc/self/status", "VmRSS:  700 kB\nRssAnon:  300 kB\nRssFile:  360 kB\nRssShmem:  40 kB\n");
  EXPECT_EQ(memory_resident(root_), 340u * 1024);
}

TEST_F(Machine, ThatDoesNotTellIsAnError) {
  EXPECT_THROW(memory_limit(root_), Error);
  EXPECT_THROW(memory_available(root_), Error);
  EXPECT_THROW(memory_resident(root_), Error);
}

TEST(ThisMachine, TellsItsMemory) {
  EXPECT_GT(memory_limit(), memory_resident());
  EXPECT_GE(memory_limit(), memory_available());
  EXPECT_GT(memory_available(), std::size_t(1) << 20);
  EXPECT_GT(memory_resident(), std::size_t(100) << 10);
}

}  // namespace
}  // namespace troupe
