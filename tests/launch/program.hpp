// Runs the program as a shell does, in a folder of the test's own.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/temporary_folder.hpp"

namespace troupe::launch {

struct Outcome {
  int code = -1;
  std::string out, err;
};

inline std::string read_file(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return (std::ostringstream() << stream.rdbuf()).str();
}

class ProgramTest : public testing::Test {
 protected:
  // arguments: as a shell reads them.
  Outcome run(const std::string& arguments, const std::string& input = "",
              const std::string& environment = "") {
    return run_shell(arguments, "", input, environment);
  }
  // meanwhile: what the shell does while the program, $!, runs; unless empty, its last word is its exit code.
  Outcome run_shell(const std::string& arguments, const std::string& meanwhile, const std::string& input = "",
                    const std::string& environment = "") {
    std::ofstream(folder_ / "in", std::ios::binary) << input;
    const auto file = [&](const char* name) { return "'" + (folder_ / name).string() + "'"; };
    const int status =
        std::system((environment + " '" TROUPE_BINARY "' " + arguments + " <" + file("in") + " >" +
                     file("out") + " 2>" + file("err") + (meanwhile.empty() ? "" : " & " + meanwhile))
                        .c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_file(folder_ / "out"),
            read_file(folder_ / "err")};
  }

  const TemporaryFolder temporary_;
  const std::filesystem::path& folder_ = temporary_.path();
};

}  // namespace troupe::launch
