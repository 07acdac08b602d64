#include "runtime/base/shortened.hpp"

#include <gtest/gtest.h>

namespace troupe {
namespace {

TEST(Shortened, KeepsWholeCharacters) {
  EXPECT_EQ(shortened("", 0), "");
  EXPECT_EQ(shortened("abc", 3), "abc");
  EXPECT_EQ(shortened("abcd", 3), "abc...");
  EXPECT_EQ(shortened("aäb", 2), "a...");
  EXPECT_EQ(shortened("aäb", 3), "aä...");
  EXPECT_EQ(shortened("\u20ac\u20ac", 5), "\u20ac...");
  EXPECT_EQ(shortened("\x80\x80\x80", 2), "...");  // no characters at all
}

}  // namespace
}  // namespace troupe
