#include "launch/smoke/repetition.hpp"

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include <string>

namespace troupe::launch::smoke {
namespace {

std::string times(std::size_t count, const std::string& piece) {
  std::string text;
  while (count-- > 0) text += piece;
  return text;
}

TEST(Repetition, FindsTheShortestPiece) {
  const auto found = repeated_end("It is 391. " + times(9, "So it is. ") + "So i\n\n");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->bytes, 10u);
  EXPECT_EQ(found->times, 9u);
  EXPECT_EQ(repeated_end(times(40, "a"))->bytes, 1u);
  EXPECT_EQ(repeated_end(times(8, "答え。"))->bytes, 9u);
}

TEST(Repetition, IsNoneWhereATextIsMeantSo) {
  EXPECT_FALSE(repeated_end(""));
  EXPECT_FALSE(repeated_end("17 * 23 = 391"));
  EXPECT_FALSE(repeated_end("1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20"));
  EXPECT_FALSE(repeated_end("No, no, no, no, no, no!"));
  EXPECT_FALSE(repeated_end(times(4, "a sentence that comes four times "))) << "a refrain";
  EXPECT_FALSE(repeated_end(times(9, "again and again ") + "and then it ended")) << "it came out of it";
}

// Whatever stands before it, a piece that comes so often is found, and as no longer than it is.
RC_GTEST_PROP(Repetition, IsFoundBehindAnyText, (const std::string& before)) {
  const auto piece =
      *rc::gen::container<std::string>(*rc::gen::inRange(8, 40), rc::gen::inRange<char>('!', '~'));
  const auto found = repeated_end(before + times(6, piece));
  RC_ASSERT(found.has_value());
  RC_ASSERT(found->bytes <= piece.size());
  RC_ASSERT(found->times >= least_repetitions);
}

}  // namespace
}  // namespace troupe::launch::smoke
