#include "runtime/base/control_groups.hpp"

#include <gmock/gmock.h>

#include "tests/temporary_folder.hpp"

namespace troupe {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> told(const fs::path& root, std::string_view controller) {
  std::vector<std::string> all;
  for (const ControlGroup& each : control_groups(controller, root))
    all.push_back(std::to_string(each.version) + " " + fs::relative(each.folder, root).string());
  return all;
}

TEST(ControlGroups, AreThoseFromTheRootToThisProcess) {
  const TemporaryFolder folder;
  fs::create_directories(folder.path() / "proc/self");
  folder.write("proc/self/cgroup", "12:pids:/\n7:cpu,cpuacct:/a\n4:memory:/a/b\n0::/slice\nnonsense\n");
  EXPECT_THAT(told(folder.path(), "memory"),
              ElementsAre("1 sys/fs/cgroup/memory", "1 sys/fs/cgroup/memory/a", "1 sys/fs/cgroup/memory/a/b",
                          "2 sys/fs/cgroup", "2 sys/fs/cgroup/slice"));
  EXPECT_THAT(told(folder.path(), "cpu"), ElementsAre("1 sys/fs/cgroup/cpu", "1 sys/fs/cgroup/cpu/a",
                                                      "2 sys/fs/cgroup", "2 sys/fs/cgroup/slice"));
}

TEST(ControlGroups, AreNoneWhereTheSystemTellsOfNone) {
  const TemporaryFolder folder;
  EXPECT_THAT(control_groups("memory", folder.path()), IsEmpty());
}

}  // namespace
}  // namespace troupe
