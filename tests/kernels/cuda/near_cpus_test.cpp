#include "kernels/cuda/near_cpus.hpp"

#include <gmock/gmock.h>
#include <sched.h>

#include <thread>

#include "tests/temporary_folder.hpp"

namespace troupe::kernels::cuda {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(NearCpus, AreThoseThatTheKernelNames) {
  const TemporaryFolder devices;
  const auto list = [&](const char* text) {
    std::filesystem::create_directories(devices.path() / "0000:c5:00.0");
    devices.write("0000:c5:00.0/local_cpulist", text);
    return cpus_near("0000:C5:00.0", devices.path());
  };
  EXPECT_THAT(list("0-3,64-65\n"), ElementsAre(0, 1, 2, 3, 64, 65));
  EXPECT_THAT(list("7\n"), ElementsAre(7));
  for (const char* broken : {"", "\n", "x", "3-", "3-1", "-3", "0-99999999", "1,,2", "99999999999999999999"})
    EXPECT_THAT(list(broken), IsEmpty()) << broken;
  EXPECT_THAT(cpus_near("0000:00:00.0", devices.path()), IsEmpty());
}

int cpus_permitted() {
  cpu_set_t permitted;
  return sched_getaffinity(0, sizeof permitted, &permitted) == 0 ? CPU_COUNT(&permitted) : -1;
}

TEST(NearCpus, AThreadStaysOnThoseThatItMayUse) {
  std::jthread([] {
    const int all = cpus_permitted();
    stay_on({});
    stay_on({CPU_SETSIZE - 1});  // no machine of today has it
    EXPECT_EQ(cpus_permitted(), all);
    stay_on({sched_getcpu(), CPU_SETSIZE - 1});
    EXPECT_EQ(cpus_permitted(), 1);
    std::jthread([] { EXPECT_EQ(cpus_permitted(), 1); });
  });
}

}  // namespace
}  // namespace troupe::kernels::cuda
