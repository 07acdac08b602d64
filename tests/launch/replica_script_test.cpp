// What launch/replica asks of mpirun, of which the test has one that writes that down.
#include <gmock/gmock.h>

#include "tests/launch/program.hpp"

namespace troupe::launch {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class ReplicaScript : public ProgramTest {
 protected:
  std::string asked_of_mpirun(const std::string& environment, const std::string& arguments) {
    const auto program = [&](const char* name, const std::string& text) {
      const auto file = temporary_.write(name, "#!/bin/sh\n" + text);
      std::filesystem::permissions(file, std::filesystem::perms::owner_all);
      return file.string();
    };
    program("mpirun", "echo \"$@\" >'" + (folder_ / "asked").string() + "'\n");
    const std::string command = "PATH='" + folder_.string() + "':\"$PATH\" TROUPE_BINARY='" +
                                program("troupe", "exit 0\n") + "' " + environment +
                                " '" SOURCE_DIR "/launch/replica' " + arguments;
    EXPECT_EQ(std::system(command.c_str()), 0);
    return read_file(folder_ / "asked");
  }
};

TEST_F(ReplicaScript, HandsWhatIsSetForGpusToAllHosts) {
  const std::string asked =
      asked_of_mpirun("NCCL_DEBUG=WARN NCCL_IB_HCA=mlx5 CUDA_VISIBLE_DEVICES=0,1", "-n 2 /model -tp 2");
  EXPECT_THAT(asked, AllOf(HasSubstr("-x NCCL_DEBUG"), HasSubstr("-x NCCL_IB_HCA"),
                           HasSubstr("-x CUDA_VISIBLE_DEVICES")));
  EXPECT_THAT(asked, HasSubstr("-n 2"));
  EXPECT_THAT(asked, HasSubstr("serve /model -tp 2"));
  EXPECT_THAT(asked_of_mpirun("env -u CUDA_VISIBLE_DEVICES HOME=/", "/model"), Not(HasSubstr(" -x ")));
}

}  // namespace
}  // namespace troupe::launch
