#include "runtime/base/error.hpp"

#include <gtest/gtest.h>

namespace troupe {
namespace {

TEST(Error, SaysWhereWhatAndWhatToDo) {
  EXPECT_STREQ(Error("no such file", "/x", "check the path").what(), "/x: no such file; check the path");
  EXPECT_STREQ(Error("broken", "").what(), "broken");
}

TEST(Refusal, IsAValue) {
  const Expected<int> refused = refuse("n must be at least 1", "n");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, RefusalKind::invalid);
  EXPECT_EQ(refused.error().param, "n");
}

TEST(CheckDeathTest, NamesTheConditionAndStops) {
  CHECK(1 + 1 == 2);
  EXPECT_DEATH(CHECK(1 + 1 == 3, "sums hold"), "1 \\+ 1 == 3 sums hold");
}

}  // namespace
}  // namespace troupe
