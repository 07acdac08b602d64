#include "launch/pull/partial_files.hpp"

#include <gmock/gmock.h>

#include <fstream>

#include "launch/pull/file_name.hpp"
#include "tests/error_of.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::launch::pull {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::uint64_t one_block = PartialFiles::block_bytes;
constexpr auto alone = [] {};

struct Partial : testing::Test {
  std::filesystem::path journal() const { return folder.path() / state_folder / "journal"; }
  void add(PartialFiles& files, const std::string& key, std::uint64_t number) {
    const FileDescriptor file = files.open(key);
    ASSERT_EQ(pwrite(file.get(), "x", 1, off_t((number + 1) * one_block - 1)), 1);
    files.add_block(key, number);
  }
  const TemporaryFolder folder;
};

TEST_F(Partial, BlocksAreKnownToTheNextProcess) {
  {
    PartialFiles files(folder.path(), alone);
    add(files, "a", 0);
    add(files, "a", 2);
    add(files, "b", 1);
    files.done("c", "123");
  }
  PartialFiles files(folder.path(), alone);
  EXPECT_THAT(files.blocks("a", 3 * one_block), ElementsAre(0, 2));
  EXPECT_THAT(files.blocks("b", 3 * one_block), ElementsAre(1));
  EXPECT_THAT(files.blocks("d", 3 * one_block), IsEmpty());
  EXPECT_EQ(files.sha256_of_done("c"), "123");
  EXPECT_EQ(files.sha256_of_done("a"), std::nullopt);
}

// A kill leaves any part of the journal's last record.
TEST_F(Partial, AJournalThatEndsAnywhereTellsOfNothingThatIsNotThere) {
  {
    PartialFiles files(folder.path(), alone);
    add(files, "a", 0);
    add(files, "a", 1);
  }
  const auto whole = file_size(journal());
  for (auto size = whole; size-- > 0;) {
    resize_file(journal(), size);
    PartialFiles files(folder.path(), alone);
    const auto blocks = files.blocks("a", 2 * one_block);
    EXPECT_LE(blocks.size(), 1u) << size;
    if (!blocks.empty()) {
      EXPECT_THAT(blocks, ElementsAre(0)) << size;
    }
    if (!exists(files.file("a"))) return;  // it had no head any more, and began anew
  }
}

TEST_F(Partial, WhatItWritesBehindALostEndIsReadAgain) {
  {
    PartialFiles files(folder.path(), alone);
    add(files, "a", 0);
    add(files, "a", 1);
  }
  resize_file(journal(), file_size(journal()) - 1);
  add(*std::make_unique<PartialFiles>(folder.path(), alone), "a", 2);
  PartialFiles files(folder.path(), alone);
  EXPECT_THAT(files.blocks("a", 3 * one_block), ElementsAre(0, 2));
}

TEST_F(Partial, AFileThatIsGoneOrShorterHasNoBlocks) {
  PartialFiles files(folder.path(), alone);
  add(files, "a", 1);
  std::filesystem::resize_file(files.file("a"), one_block);
  EXPECT_THAT(files.blocks("a", 2 * one_block), IsEmpty());
  EXPECT_FALSE(exists(files.file("a")));
  add(files, "b", 0);
  std::filesystem::remove(files.file("b"));
  EXPECT_THAT(files.blocks("b", one_block), IsEmpty());
}

TEST_F(Partial, WhatIsForgottenStaysSo) {
  {
    PartialFiles files(folder.path(), alone);
    add(files, "a", 0);
    files.done("a", "1");
    files.forget("a");
    EXPECT_FALSE(exists(files.file("a")));
  }
  PartialFiles files(folder.path(), alone);
  EXPECT_THAT(files.blocks("a", one_block), IsEmpty());
  EXPECT_EQ(files.sha256_of_done("a"), std::nullopt);
}

TEST_F(Partial, AnotherVersionsAreOfNoUse) {
  create_directory(folder.path() / state_folder);
  std::ofstream(journal()) << "from another version";
  std::ofstream(folder.path() / state_folder / "a.partial") << "x";
  PartialFiles files(folder.path(), alone);
  EXPECT_FALSE(exists(files.file("a")));
  EXPECT_THAT(files.blocks("a", 1), IsEmpty());
}

TEST_F(Partial, NothingStays) {
  PartialFiles files(folder.path(), alone);
  add(files, "a", 0);
  files.remove();
  EXPECT_TRUE(is_empty(folder.path()));
}

}  // namespace
}  // namespace troupe::launch::pull
