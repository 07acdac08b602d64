#include "launch/pull/file_hash.hpp"

#include <gmock/gmock.h>

#include "tests/error_of.hpp"
#include "tests/launch/pull/test_hub.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::launch::pull {
namespace {

constexpr auto unheard = [](std::uint64_t) {};

TEST(FileHash, IsThatOfSha256sumAndOfGit) {
  const TemporaryFolder folder;
  const auto hello = hash_file(folder.write("a", "hello\n"), true, unheard);  // git hash-object says so
  EXPECT_EQ(hello.git_blob, "ce013625030ba8dba906f756967f9e9ca394464a");
  EXPECT_EQ(hello.sha256, "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
  EXPECT_EQ(hello.bytes, 6u);
  const auto empty = hash_file(folder.write("b", ""), true, unheard);
  EXPECT_EQ(empty.git_blob, "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
  const std::string large = some_bytes((5 << 20) + 3);
  std::uint64_t told = 0;
  const auto hashes = hash_file(folder.write("c", large), false, [&](std::uint64_t bytes) { told += bytes; });
  EXPECT_EQ(hashes.sha256, sha256_hex(large));
  EXPECT_EQ(hashes.git_blob, "");
  EXPECT_EQ(told, large.size());
}

TEST(FileHash, OfWhatIsNoFileIsAnError) {
  const TemporaryFolder folder;
  EXPECT_THAT(error_of([&] { hash_file(folder.path() / "none", false, unheard); }),
              testing::HasSubstr("No such file"));
  EXPECT_THAT(error_of([&] { hash_file(folder.path(), false, unheard); }),
              testing::HasSubstr("is no regular file"));
}

}  // namespace
}  // namespace troupe::launch::pull
