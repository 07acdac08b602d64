#include "launch/pull/file_name.hpp"

#include <gmock/gmock.h>

#include "tests/error_of.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::launch::pull {
namespace {

TEST(FileName, OfAFileBelowTheFolder) {
  for (const char* name : {"config.json", "a/b/c", ".hidden", "...", "a..b", "with space", "\xC3\xA4.bin"})
    EXPECT_EQ(fault_of_name(name), "") << name;
  EXPECT_EQ(fault_of_name(std::string(longest_part, 'a')), "");
}

TEST(FileName, OfNothingElse) {
  for (const char* name : {"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/../b", "a/./b", "a\\b",
                           "a\nb", "a\tb", "a\x1b[2J", "a\x7f", "a\xC2\x9B"})
    EXPECT_NE(fault_of_name(name), "") << name;
  EXPECT_NE(fault_of_name(std::string("a\0b", 3)), "");
  EXPECT_NE(fault_of_name(std::string(longest_part + 1, 'a')), "");
  std::string deep = "a";
  while (deep.size() <= longest_name) deep += "/a";
  EXPECT_NE(fault_of_name(deep), "");
}

TEST(FileName, GetsItsFoldersUnlessOneIsALink) {
  const TemporaryFolder folder;
  EXPECT_EQ(place_of(folder.path(), "a/b/c"), folder.path() / "a/b/c");
  EXPECT_TRUE(is_directory(folder.path() / "a/b"));
  create_directory_symlink("/tmp", folder.path() / "link");
  EXPECT_THAT(error_of([&] { place_of(folder.path(), "link/c"); }), testing::HasSubstr("is a link"));
  folder.write("file", "");
  EXPECT_THAT(error_of([&] { place_of(folder.path(), "file/c"); }), testing::HasSubstr("cannot be made"));
  EXPECT_THAT(error_of([&] { place_of(folder.path(), "a/b"); }), testing::HasSubstr("is a folder"));
  EXPECT_EQ(place_of(folder.path(), "link"), folder.path() / "link") << "which the file replaces";
}

}  // namespace
}  // namespace troupe::launch::pull
