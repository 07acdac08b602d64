#include "launch/batch/batch_input.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "launch/json_lines.hpp"
#include "tests/error_of.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::launch::batch {
namespace {

using ::testing::HasSubstr;

TEST(BatchInput, LinesHaveTheirNumbersAndBlankOnesAreNone) {
  const TemporaryFolder folder;
  BatchInput input(folder.write("in", "a\n\n \t\r\nb\r\nlast"));
  EXPECT_EQ(input.lines(), 3u);
  for (const auto& [number, text] : {std::pair(1u, "a"), std::pair(4u, "b\r"), std::pair(5u, "last")}) {
    const auto line = input.next();
    ASSERT_TRUE(line);
    EXPECT_EQ(line->number, number);
    EXPECT_EQ(line->text, text);
  }
  EXPECT_FALSE(input.next());
  EXPECT_EQ(BatchInput(folder.write("empty", "")).lines(), 0u);
}

TEST(BatchInput, EveryByteIsInTheDigest) {
  const TemporaryFolder folder;
  EXPECT_EQ(BatchInput(folder.write("a", "abc")).digest(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");  // of FIPS 180-2
  EXPECT_NE(BatchInput(folder.write("b", "abc\n")).digest(), BatchInput(folder.write("c", "abc")).digest());
  const std::string large(3 << 16, 'x');
  EXPECT_NE(BatchInput(folder.write("d", large + "y")).digest(),
            BatchInput(folder.write("e", large + "z")).digest());
}

TEST(BatchInput, ALineOverTheLimitIsCutAndTheNextOneIsWhole) {
  const TemporaryFolder folder;
  std::string text(max_line_bytes + 100, 'x');
  text += "\nnext\n";
  BatchInput input(folder.write("in", text));
  EXPECT_EQ(input.next()->text.size(), max_line_bytes + 1);
  EXPECT_EQ(input.next()->text, "next");
}

TEST(BatchInput, WhatIsNoFileIsAnError) {
  const TemporaryFolder folder;
  for (const auto& path : {folder.path() / "missing", folder.path()})
    EXPECT_THAT(error_of([&] { BatchInput input(path); }), HasSubstr("is no file that can be read"));
}

}  // namespace
}  // namespace troupe::launch::batch
