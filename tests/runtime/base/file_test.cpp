#include "runtime/base/file.hpp"

#include <fstream>

#include "tests/error_of.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe {
namespace {

namespace fs = std::filesystem;
using testing::EndsWith;

TEST(ReadFile, GivesAllBytesOrNone) {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "read_file_test";
  const std::string content("a\0\r\n\xff", 5);
  std::ofstream(file, std::ios::binary) << content;
  EXPECT_EQ(read_file(file, 5), content);
  EXPECT_THAT(error_of([&] { read_file(file, 4); }),
              EndsWith("_test: has 5 bytes, more than the 4 that are accepted"));
  std::ofstream(file, std::ios::trunc).close();
  EXPECT_EQ(read_file(file, 0), "");
  fs::remove(file);
  EXPECT_THAT(error_of([&] { read_file(file, 5); }), EndsWith("_test: no such file"));
  EXPECT_THAT(error_of([&] { read_file(testing::TempDir(), 5); }), EndsWith(": no such file"));
}

}  // namespace
}  // namespace troupe
